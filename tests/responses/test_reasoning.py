"""Reasoning of a response: shown if asked for, never text, and progress in any case."""

import json

import pytest

from support.quirks import Got, player
from support.raw_upstream import Pause, Piece
from support.response_events import END, added, body, completed, done, event, play, summary, text
from tokenwire.v1 import chatgpt_pb2 as pb

USAGE = (36, 87, 4, 7)
SHOWN = pb.Message(content="hello", reasoning=pb.Reasoning(show=True))


def item(*parts: str, key: str = "summary") -> dict[str, object]:
    """Return an item of reasoning with these parts."""
    texts = [{"type": f"{key}_text", "text": part} for part in parts]
    return {"id": "rs_1", "type": "reasoning", "summary": [], key: texts}


def raw(delta: str) -> bytes:
    """Return a delta of the model's own reasoning."""
    return event(
        "response.reasoning_text.delta",
        item_id="rs_1",
        output_index=0,
        content_index=0,
        delta=delta,
    )


REASONINGS: dict[str, tuple[list[Piece], str]] = {
    "a summary": (
        [added(item()), summary("I "), summary("think."), done(item("I think."))],
        "I think.",
    ),
    "two parts": ([summary("One."), summary("Two", 1), summary(".", 1)], "One.\n\nTwo."),
    "two items": (
        [
            summary("One."),
            done(item("One.")),
            event(
                "response.reasoning_summary_text.delta",
                item_id="rs_2",
                output_index=1,
                summary_index=0,
                delta="Two.",
            ),
            done(item("Two."), 1),
        ],
        "One.\n\nTwo.",
    ),
    "the model's own": ([raw("I "), raw("think.")], "I think."),
    "the item alone": ([done(item("One.", "Two."))], "One.\n\nTwo."),
    "the item's content alone": ([done(item("I think.", key="content"))], "I think."),
    "no places": ([event("response.reasoning_text.delta", delta=each) for each in "ab"], "ab"),
    "none": ([done(item())], ""),
    "an item of another shape": ([done({"type": "reasoning", "summary": 7})], ""),
}


async def test_reasoning_is_shown_if_asked_for(subtests: pytest.Subtests) -> None:
    """Each form is passed on once, with a blank line between parts, before the text."""
    async with player(dialect="responses") as upstream:
        for name, (pieces, right) in REASONINGS.items():
            with subtests.test(name):
                assert await play(upstream, *pieces, text("42"), END, message=SHOWN) == Got(
                    "42", usage=USAGE
                )
                assert "".join(answer.reasoning for answer in upstream.answers) == right
                assert await play(upstream, *pieces, text("42"), END) == Got("42", usage=USAGE)
                assert not any(answer.reasoning for answer in upstream.answers)


async def test_reasoning_in_a_response_that_is_not_streamed() -> None:
    """The reasoning of a whole response is passed on before its text."""
    async with player(dialect="responses") as upstream:
        content = [{"type": "output_text", "text": "42"}]
        whole = body(item("One.", "Two."), {"type": "message", "content": content})
        got = await play(upstream, json.dumps(whole).encode(), message=SHOWN)
        assert got == Got("42")
        assert "".join(answer.reasoning for answer in upstream.answers) == "One.\n\nTwo."


async def test_an_item_is_not_added_twice() -> None:
    """Reasoning in deltas, in the item and in the response is passed on once."""
    async with player(dialect="responses") as upstream:
        pieces = [summary("I think."), done(item("I think.")), text("42")]
        got = await play(upstream, *pieces, completed(item("I think.")), message=SHOWN)
        assert got == Got("42")
        assert "".join(answer.reasoning for answer in upstream.answers) == "I think."


@pytest.mark.slow
async def test_reasoning_is_progress() -> None:
    """A model that reasons for longer than the time limits allow answers all the same."""
    limits = {"first_token_timeout_seconds": 2, "idle_timeout_seconds": 2}
    async with player(dialect="responses", **limits) as upstream:
        thinking: list[Piece] = [summary("hm "), Pause(0.5)] * 6
        assert await play(upstream, *thinking, text("42"), END) == Got("42", usage=USAGE)
