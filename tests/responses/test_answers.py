"""The answers of the responses API: text, reasoning, endings and errors, from literal events."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from support.quirks import Got, response
from support.quirks import event as unnamed
from support.response_events import (
    body,
    completed,
    created,
    event,
    message,
    responses_player,
    summary,
    text,
)
from tokenwire.v1 import chatgpt_pb2 as pb

ABORTED, UNAVAILABLE = grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE
INTERNAL = grpc.StatusCode.INTERNAL

USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 21,
}
DONE_TEXT = event(
    "response.output_text.done", item_id="msg_1", output_index=0, content_index=0, text="Hello"
)
ITEM_DONE = event("response.output_item.done", output_index=0, item=message("Hello"))


def refusal(text: str) -> dict[str, Any]:
    return message(content=[{"type": "refusal", "refusal": text}])


TEXTS: dict[str, tuple[list[bytes], Got]] = {
    "as documented": (
        [
            created(),
            event("response.output_item.added", output_index=0, item=message()),
            text("Hel"),
            text("lo"),
            DONE_TEXT,
            ITEM_DONE,
            completed(message("Hello"), usage=USAGE),
        ],
        Got("Hello", usage=(9, 12, 4, 5)),
    ),
    "without names of events": (
        [
            unnamed({"type": "response.output_text.delta", "delta": "Hello"}),
            unnamed({"type": "response.completed", "response": body()}),
        ],
        Got("Hello"),
    ),
    "with the name of the event alone": (
        [
            text("Hello"),
            b"event: response.completed\n" + unnamed({"response": body()}),
        ],
        Got("Hello"),
    ),
    "the whole text of a part alone": ([DONE_TEXT, completed(message("Hello"))], Got("Hello")),
    "the whole item alone": ([ITEM_DONE, completed(message("Hello"))], Got("Hello")),
    "in the response alone": (
        [created(), completed({"type": "reasoning", "id": "rs_1"}, message("Hel", "lo"))],
        Got("Hello"),
    ),
    "two parts": (
        [
            text("Hel"),
            text("lo", content_index=1),
            ITEM_DONE,
            completed(message("Hel", "lo")),
        ],
        Got("Hello"),
    ),
    "one part in pieces and one whole": (
        [
            text("Hel"),
            event("response.output_item.done", output_index=0, item=message("Hel", "lo")),
            completed(message("Hel", "lo")),
        ],
        Got("Hello"),
    ),
    "another index in the response than in the pieces": (
        [text("Hello"), completed({"type": "reasoning", "id": "rs_1"}, message("Hello"))],
        Got("Hello"),
    ),
    "another index with the item than in the pieces": (
        [
            text("Hello", output_index="1"),
            event("response.output_item.done", output_index=7, item=message("Hello")),
            completed(message("Hello")),
        ],
        Got("Hello"),
    ),
    "one JSON object": (
        [json.dumps(body(message("Hello"), usage=USAGE)).encode()],
        Got("Hello", usage=(9, 12, 4, 5)),
    ),
    "one JSON object that is incomplete": (
        [
            json.dumps(
                body(
                    message("Hello"),
                    status="incomplete",
                    incomplete_details={"reason": "max_output_tokens"},
                )
            ).encode()
        ],
        Got("Hello", "LENGTH"),
    ),
    "unknown events and fields": (
        [
            event("response.queued", response=body(status="queued")),
            event("response.web_search_call.searching", item_id="ws_1", output_index=0),
            event("response.rate_limits.updated", delta=7),
            text("Hello", logprobs=[], obfuscation="x9"),
            event("keepalive"),
            completed(),
        ],
        Got("Hello"),
    ),
    "no text": ([created(), completed()], Got("")),
    "incomplete": (
        [
            text("Hello"),
            event(
                "response.incomplete",
                response=body(
                    status="incomplete", incomplete_details={"reason": "max_output_tokens"}
                ),
            ),
        ],
        Got("Hello", "LENGTH"),
    ),
    "filtered": (
        [
            text("He"),
            event(
                "response.incomplete",
                response=body(status="incomplete", incomplete_details={"reason": "content_filter"}),
            ),
        ],
        Got("He", "CONTENT_FILTERED", grpc.StatusCode.FAILED_PRECONDITION),
    ),
    "truncated": ([text("He")], Got("He", "UPSTREAM_TRUNCATED", ABORTED)),
    "truncated before the text": (
        [created()],
        Got("", "UPSTREAM_TRUNCATED", UNAVAILABLE),
    ),
    "no JSON": (
        [text("He"), b"data: {\n\n"],
        Got("He", "UPSTREAM_PROTOCOL_ERROR", INTERNAL),
    ),
    "text of an unknown shape": (
        [event("response.output_text.delta", delta={"value": "He"})],
        Got("", "UPSTREAM_PROTOCOL_ERROR", INTERNAL),
    ),
    "failed": (
        [
            text("He"),
            event(
                "response.failed",
                response=body(status="failed", error={"code": "server_error", "message": "no"}),
            ),
        ],
        Got("He", "UPSTREAM_ERROR", ABORTED),
    ),
    "failed before the text": (
        [
            created(),
            event(
                "response.failed",
                response=body(status="failed", error={"code": "server_error"}),
            ),
        ],
        Got("", "UPSTREAM_ERROR", UNAVAILABLE, requests=2),
    ),
    "failed by the rate": (
        [
            event(
                "response.failed",
                response=body(
                    status="failed",
                    error={"code": "rate_limit_exceeded", "message": "try again in 9s"},
                ),
            ),
        ],
        Got("", "UPSTREAM_RATE_LIMITED", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ),
    "an error event": (
        [text("He"), event("error", code="ERR_SOMETHING", message="no", param=None)],
        Got("He", "UPSTREAM_ERROR", ABORTED),
    ),
    "an error object": (
        [text("He"), unnamed({"error": {"message": "no", "type": "server_error"}})],
        Got("He", "UPSTREAM_ERROR", ABORTED),
    ),
}


async def test_answers(subtests: pytest.Subtests) -> None:
    """Text reaches the caller once, however often the upstream sends it, and no end is guessed."""
    async with responses_player() as upstream:
        for name, (pieces, got) in TEXTS.items():
            with subtests.test(case=name):
                assert await upstream.play(response(*pieces)) == got


async def test_the_last_answer_names_the_response() -> None:
    """The last Answer has the id and the model of the response, and drops those of odd types."""
    async with responses_player() as upstream:
        await upstream.play(response(text("x"), completed()))
        assert (upstream.answers[-1].id, upstream.answers[-1].model) == ("resp_1", "gpt-demo")
        odd = {**body(), "id": ["x"], "model": None}
        await upstream.play(response(text("x"), event("response.completed", response=odd)))
        assert (upstream.answers[-1].id, upstream.answers[-1].model) == ("", "")


REFUSALS = {
    "in pieces": [
        event("response.refusal.delta", delta="I de", output_index=0, content_index=0),
        event("response.refusal.delta", delta="cline.", output_index=0, content_index=0),
        event("response.refusal.done", refusal="I decline.", output_index=0, content_index=0),
        completed(refusal("I decline.")),
    ],
    "whole": [completed(refusal("I decline."))],
}


async def test_refusals(subtests: pytest.Subtests) -> None:
    """The text of a refusal is the text of the answer, which says that it is a refusal."""
    async with responses_player() as upstream:
        for name, pieces in REFUSALS.items():
            with subtests.test(case=name):
                assert await upstream.play(response(*pieces)) == Got("I decline.")
                assert upstream.answers[-1].refused


REASONINGS: dict[str, tuple[list[bytes], str]] = {
    "a summary": ([summary("Let me "), summary("look.")], "Let me look."),
    "a summary of two parts": ([summary("One."), summary("Two.", 1)], "One.\n\nTwo."),
    "the reasoning itself": ([summary("hm", kind="reasoning_text")], "hm"),
    "both": ([summary("hm", kind="reasoning_text"), summary("Summary.")], "hm"),
}


async def test_reasoning(subtests: pytest.Subtests) -> None:
    """Reasoning is shown only if asked for, once, and never as text."""
    async with responses_player() as upstream:
        for name, (pieces, reasoning) in REASONINGS.items():
            for show in (True, False):
                with subtests.test(case=name, show=show):
                    asked = pb.Message(content="hello", reasoning=pb.Reasoning(show=show))
                    played = response(*pieces, text("42"), completed())
                    assert await upstream.play(played, asked) == Got("42")
                    shown = "".join(answer.reasoning for answer in upstream.answers)
                    assert shown == (reasoning if show else "")


async def test_reasoning_is_progress() -> None:
    """After reasoning, a failure is ABORTED and not repeated, though no Answer was sent."""
    async with responses_player() as upstream:
        got = await upstream.play(response(summary("hm")))
        assert got == Got("", "UPSTREAM_TRUNCATED", ABORTED)


async def test_citations() -> None:
    """Annotations are citations, once, whether they come alone or with the text."""
    cited = {"type": "url_citation", "url": "https://example.com", "title": "A"}
    placed = {**cited, "start_index": 0, "end_index": 5}
    added = event("response.output_text.annotation.added", annotation=placed, annotation_index=0)
    whole = {"type": "output_text", "text": "Hello", "annotations": [placed]}
    async with responses_player() as upstream:
        for pieces in ([text("Hello"), added], [text("Hello")]):
            played = response(*pieces, completed(message(content=[whole])))
            assert await upstream.play(played) == Got("Hello")
            [citation] = upstream.answers[-1].citations
            assert citation == pb.Citation(url="https://example.com", title="A", start=0, end=5)


async def test_the_end_is_the_last_event() -> None:
    """The answer ends with the response's last event, though the upstream keeps the stream open."""
    held = asyncio.Event()
    async with responses_player(idle_timeout_seconds=600) as upstream:
        pieces = [*response(text("x"), completed()), held, text("late")]
        async with asyncio.timeout(10):
            assert await upstream.play(pieces) == Got("x")
        held.set()


async def test_a_large_last_event() -> None:
    """The last event may repeat a long answer and the request."""
    half = "x" * 500_000
    echoed = completed(message(half * 2), instructions="y" * 900_000)
    async with responses_player() as upstream:
        assert await upstream.play(response(*[text(half)] * 2, echoed)) == Got(half * 2)
