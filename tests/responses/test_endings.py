"""A response is whole only with its last event; incomplete and failed ones say so."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from support.quirks import DONE, Got, finish, player
from support.quirks import text as chunk
from support.raw_upstream import Piece, Reset
from support.response_events import (
    END,
    USAGE,
    added,
    body,
    completed,
    created,
    done,
    event,
    failed,
    incomplete,
    message,
    play,
    refusal,
    summary,
    text,
)
from tokenwire.v1 import chatgpt_pb2 as pb

ABORTED = grpc.StatusCode.ABORTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

TRUNCATED = Got("half", "UPSTREAM_TRUNCATED", ABORTED)
FILTERED = Got("half", "CONTENT_FILTERED", FAILED_PRECONDITION)

ENDINGS: dict[str, tuple[list[Piece], Got]] = {
    "the limit of tokens": ([incomplete("max_output_tokens")], Got("half", "LENGTH")),
    "a filter": ([incomplete("content_filter")], FILTERED),
    "an unknown reason": ([incomplete("steered")], Got("half", "OTHER")),
    "no reason": ([incomplete(None)], Got("half", "OTHER")),
    "an interruption": ([incomplete("server_error")], Got("half", "UPSTREAM_ERROR", ABORTED)),
    "a status that contradicts the event": (
        [completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
        Got("half", "LENGTH"),
    ),
    "no status": ([completed(status=None)], Got("half")),
    "an empty response": ([event("response.completed", response=None)], Got("half")),
    "a cancelled response": (
        [event("response.cancelled", response=body(status="cancelled"))],
        Got("half", "UPSTREAM_ERROR", ABORTED),
    ),
    "failed without an error": ([failed(None)], Got("half", "UPSTREAM_ERROR", ABORTED)),
    "the end of the body": ([], TRUNCATED),
    "[DONE] alone": ([DONE], TRUNCATED),
    "the item is complete, but not the response": ([done(message("half"))], TRUNCATED),
    "the last event is cut": ([END[:-40]], TRUNCATED),
    "a reset": ([Reset()], Got("half", "UPSTREAM_STREAM_BROKEN", ABORTED)),
    "a reset behind the end": ([END, Reset()], Got("half", usage=(36, 87, 4, 7))),
}


async def test_endings(subtests: pytest.Subtests) -> None:
    """Each ending has its finish reason or its failure, after the text."""
    async with player(dialect="responses") as upstream:
        for name, (pieces, right) in ENDINGS.items():
            with subtests.test(name):
                assert await play(upstream, created(), text("half"), *pieces) == right


NOTHING: dict[str, tuple[list[Piece], str]] = {
    "no event": ([], "UPSTREAM_TRUNCATED"),
    "the beginning alone": (
        [created(), added(message()), added({"type": "reasoning", "id": "rs_1"}, 1)],
        "UPSTREAM_TRUNCATED",
    ),
    "a response in progress": (
        [json.dumps(body(status="in_progress")).encode()],
        "UPSTREAM_TRUNCATED",
    ),
    "failed": ([created(), failed({"code": "server_error", "message": ".."})], "UPSTREAM_ERROR"),
}


async def test_before_the_model_begins(subtests: pytest.Subtests) -> None:
    """A failure before text, reasoning or a call is UNAVAILABLE; a role or an item is nothing."""
    async with player(dialect="responses") as upstream:
        for name, (pieces, reason) in NOTHING.items():
            with subtests.test(name):
                got = await play(upstream, *pieces)
                assert (got.text, got.reason, got.code) == ("", reason, UNAVAILABLE)
                assert got.requests <= 2


async def test_the_answer_ends_with_its_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that stays open after the last event does not delay the end of the answer."""
    monkeypatch.setattr("tokenwire.upstreams.openai.model.USAGE_SECONDS", 3600)
    ended = asyncio.Event()
    async with player(dialect="responses", idle_timeout_seconds=3600) as upstream:
        got = await play(upstream, text("a"), END, ended)
        assert got == Got("a", usage=(36, 87, 4, 7))
        ended.set()


async def test_refusals_are_text() -> None:
    """The text of a refusal is passed on, and the answer ends as STOP."""
    async with player(dialect="responses") as upstream:
        got = await play(upstream, created(), refusal("I "), refusal("decline."), completed())
        assert got == Got("I decline.")


async def test_an_empty_answer_is_an_answer() -> None:
    """A complete response without output is OK."""
    async with player(dialect="responses") as upstream:
        assert await play(upstream, created(), completed()) == Got("")


async def test_a_filter_without_text() -> None:
    """A filter that leaves nothing is CONTENT_FILTERED, not an empty answer."""
    async with player(dialect="responses") as upstream:
        got = await play(upstream, created(), incomplete("content_filter"))
        assert got == Got("", "CONTENT_FILTERED", FAILED_PRECONDITION)


def error(**fields: Any) -> dict[str, Any]:
    return {"message": "..", **fields}


WRAPPED: dict[str, list[Piece]] = {
    "response.failed": [failed(error(code="server_error"))],
    "flat": [event("error", code="server_error", message="..", param=None)],
    "an object in an event of that type": [
        event("error", error=error(type="server_error", code=None))
    ],
    "an object": [b'data: {"error":{"message":"..","code":500}}\n\n', DONE],
    "an event of that name": [b'event: error\ndata: {"message":".."}\n\n'],
    "a bare body": [b'{"error":{"message":"..","type":"server_error"}}\n'],
    "a whole response that failed": [
        json.dumps(body(status="failed", error=error(code="server_error"))).encode()
    ],
    "beside 100 kB of the request": [
        event(
            "response.failed",
            response=body(
                status="failed",
                error=error(code="server_error"),
                instructions="rate_limit_exceeded " * 5_000,
            ),
        )
    ],
}


async def test_errors_are_errors(subtests: pytest.Subtests) -> None:
    """Before the model begins an error is UNAVAILABLE, and after text ABORTED with that text."""
    async with player(dialect="responses") as upstream:
        for name, pieces in WRAPPED.items():
            with subtests.test(name, after="nothing"):
                got = await play(upstream, *pieces)
                assert (got.text, got.reason, got.code) == ("", "UPSTREAM_ERROR", UNAVAILABLE)
                assert got.requests <= 2
            with subtests.test(name, after="text"):
                got = await play(upstream, text("half"), *pieces)
                assert got == Got("half", "UPSTREAM_ERROR", ABORTED)


MEANINGS: list[tuple[dict[str, Any], str, grpc.StatusCode]] = [
    (error(code="rate_limit_exceeded"), "UPSTREAM_RATE_LIMITED", EXHAUSTED),
    (error(type="tokens", code="rate_limit_exceeded"), "UPSTREAM_RATE_LIMITED", EXHAUSTED),
    (error(code="insufficient_quota"), "UPSTREAM_QUOTA_EXHAUSTED", EXHAUSTED),
    (error(code="server_is_overloaded"), "UPSTREAM_ERROR", UNAVAILABLE),
    (error(code="vector_store_timeout"), "UPSTREAM_ERROR", UNAVAILABLE),
    (error(code=None, param="temperature"), "UPSTREAM_ERROR", UNAVAILABLE),
    (error(code="context_length_exceeded", param="input"), "PROMPT_TOO_LONG", INVALID_ARGUMENT),
    (error(code="invalid_prompt"), "PROMPT_REJECTED", INVALID_ARGUMENT),
    (error(code="image_content_policy_violation"), "PROMPT_REJECTED", INVALID_ARGUMENT),
]


async def test_an_error_may_say_a_row_of_its_own(subtests: pytest.Subtests) -> None:
    """The code alone says a limit or what the prompt caused; after text neither counts."""
    async with player(dialect="responses") as upstream:
        for failure, reason, code in MEANINGS:
            for wrapped in (failed(failure), event("error", error=failure)):
                with subtests.test(failure=failure, wrapped=wrapped[:20]):
                    got = await play(upstream, created(), wrapped)
                    assert (got.text, got.reason, got.code) == ("", reason, code)
                    got = await play(upstream, created(), text("half"), wrapped)
                    assert got == Got("half", "UPSTREAM_ERROR", ABORTED)


async def test_reasoning_is_paid_for(subtests: pytest.Subtests) -> None:
    """After reasoning, shown or not, encrypted or not, a failure is ABORTED and not retried."""
    hidden = done({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"})
    async with player(dialect="responses") as upstream:
        for reasoning in (summary("hm "), hidden):
            with subtests.test(reasoning=reasoning):
                got = await play(upstream, created(), reasoning, Reset())
                assert got == Got("", "UPSTREAM_STREAM_BROKEN", ABORTED)
                got = await play(upstream, created(), reasoning)
                assert got == Got("", "UPSTREAM_TRUNCATED", ABORTED)


async def test_the_other_dialect_is_a_protocol_error() -> None:
    """An upstream that answers in the other dialect fails; its text is not dropped in silence."""
    protocol_error = Got("", "UPSTREAM_PROTOCOL_ERROR", grpc.StatusCode.INTERNAL)
    async with player(dialect="responses") as upstream:
        assert await play(upstream, chunk("a"), finish("stop"), DONE) == protocol_error
    async with player() as upstream:
        got = await play(upstream, created(), text("a"), completed(usage=USAGE))
        assert (got.text, got.reason) == ("", "UPSTREAM_TRUNCATED")


async def test_the_prompts_text_in_an_error_changes_nothing() -> None:
    """Only the error object of a failed response is read, not what the response repeats."""
    async with player(dialect="responses") as upstream:
        repeated = [{"type": "function", "description": "retry after 9 s", "code": "billing"}]
        event_ = event(
            "response.failed",
            response=body(status="failed", error=error(code="server_error"), tools=repeated),
        )
        got = await play(upstream, event_, message=pb.Message(content="insufficient_quota"))
        assert (got.reason, got.code) == ("UPSTREAM_ERROR", UNAVAILABLE)
