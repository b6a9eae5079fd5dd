"""Whatever the model is visibly doing is progress; reasoning never becomes text."""

from typing import Any

import grpc
import pytest

from support.quirks import DONE, STOP, Got, delta, event, finish, player, response, text, usage
from support.raw_upstream import Pause, Piece, Reset
from tokenwire.v1 import chatgpt_pb2 as pb

pytestmark = pytest.mark.slow

LIMITS = {"first_token_timeout_seconds": 2, "idle_timeout_seconds": 2}
"""Longer than each pause and shorter than all pauses of an answer together."""
PAUSE = Pause(0.5)
PAUSES = 6

USAGE = usage(
    prompt_tokens=5, completion_tokens=13, completion_tokens_details={"reasoning_tokens": 12}
)
FIELDS: dict[str, list[dict[str, Any]]] = {
    "reasoning_content": [{"content": None, "reasoning_content": "hm "}],
    "reasoning": [{"content": "", "reasoning": "hm "}],
    "half and half": [{"reasoning_content": "hm "}, {"reasoning": "hm "}],
    "details alone": [{"reasoning_details": [{"type": "reasoning.text", "text": "hm "}]}],
    "both": [
        {"reasoning": "hm ", "reasoning_details": [{"type": "reasoning.text", "text": "hm "}]}
    ],
    "a part of the content": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm "}]}]}
    ],
}


async def test_reasoning_is_progress(subtests: pytest.Subtests) -> None:
    """A model that reasons for longer than the time limits allow answers all the same."""
    async with player(**LIMITS) as upstream:
        for name, deltas in FIELDS.items():
            with subtests.test(name):
                reasoning = [delta(**deltas[n % len(deltas)]) for n in range(PAUSES)]
                pieces: list[Piece] = [piece for each in reasoning for piece in (each, PAUSE)]
                got = await upstream.play(
                    response(*pieces, text("42"), finish("stop"), USAGE, DONE)
                )
                assert got == Got("42", usage=(5, 13, 0, 12))
                assert len(upstream.answers) == 2


async def test_an_answer_of_reasoning_alone() -> None:
    """A model that reaches its limit while it reasons is OK, without text and with usage."""
    async with player(**LIMITS) as upstream:
        body = [delta(reasoning="hm ")] * 4
        got = await upstream.play(response(*body, finish("length"), USAGE, DONE))
        assert got == Got("", "LENGTH", usage=(5, 13, 0, 12))


ENDINGS: dict[str, tuple[list[Piece], str]] = {
    "a reset": ([PAUSE, Reset()], "UPSTREAM_STREAM_BROKEN"),
    "an error": ([event({"error": {"message": "x"}}), DONE], "UPSTREAM_ERROR"),
    "the end of the stream": ([], "UPSTREAM_TRUNCATED"),
    "silence": ([Pause(60)], "UPSTREAM_IDLE_TIMEOUT"),
}


async def test_a_failure_after_reasoning_is_paid_for(subtests: pytest.Subtests) -> None:
    """After reasoning, a failure is ABORTED and is not retried, though no Answer was sent."""
    async with player(**LIMITS) as upstream:
        for name, (end, reason) in ENDINGS.items():
            with subtests.test(name):
                got = await upstream.play(response(delta(reasoning_content="hm "), *end))
                assert got == Got("", reason, grpc.StatusCode.ABORTED)
                assert upstream.answers == []


async def test_comments_are_no_progress() -> None:
    """Comments and empty events do not extend the time to the first token."""
    async with player(**LIMITS) as upstream:
        quiet: list[Piece] = [b": thinking\n\n", b"data:\n\n", delta(role="assistant"), PAUSE]
        got = await upstream.play(response(*quiet * 10, text("late"), STOP))
        assert got == Got("", "UPSTREAM_TIMEOUT", grpc.StatusCode.UNAVAILABLE)


def asks(*, show: bool) -> pb.Message:
    """Return a request that asks to see the reasoning or not."""
    return pb.Message(content="hello", reasoning=pb.Reasoning(show=show))


async def test_reasoning_is_shown_where_it_is_asked_for(subtests: pytest.Subtests) -> None:
    """The caller that sets `reasoning.show` receives each piece once, and nobody else does."""
    async with player() as upstream:
        for name, deltas in FIELDS.items():
            for show in (True, False):
                with subtests.test(name, show=show):
                    pieces = [delta(**each) for each in deltas * 2]
                    await upstream.play(response(*pieces, text("42"), STOP), asks(show=show))
                    reasoning = "".join(answer.reasoning for answer in upstream.answers)
                    assert reasoning == ("hm " * len(pieces) if show else "")
                    assert "".join(answer.content for answer in upstream.answers) == "42"


async def test_reasoning_and_text_keep_their_order() -> None:
    """In one Answer, the reasoning came before the text."""
    async with player() as upstream:
        body = b"".join(
            [delta(reasoning="a"), text("1"), text("2"), delta(reasoning="b"), text("3"), STOP]
        )
        await upstream.play(response(body), asks(show=True))
        pieces = [(answer.reasoning, answer.content) for answer in upstream.answers]
        assert [piece for piece in pieces if any(piece)] in (
            [("a", "12"), ("b", "3")],
            [("a", ""), ("", "12"), ("b", ""), ("", "3")],
        )
