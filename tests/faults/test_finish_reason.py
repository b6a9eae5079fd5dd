"""Row 19: what follows a finish reason, which does not yet end the stream."""

import json
import time

import grpc
import pytest

from support.helpers import reason_of, text_of
from support.world import World, open_world
from tokenwire.upstreams.openai import model as openai
from tokenwire.v1 import chatgpt_pb2 as pb

ABORTED = grpc.StatusCode.ABORTED
INTERNAL = grpc.StatusCode.INTERNAL

REST = 0.3
BEYOND_REST = "wait 0.4"


@pytest.fixture
def _short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for usage, so that tests take less time."""
    monkeypatch.setattr(openai, "USAGE_SECONDS", REST)


def chunk(text: str, reason: str | None) -> str:
    """Return a step that sends text and a finish reason in one chunk."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return "data " + json.dumps(json.dumps({"id": "a", "choices": [choice]}))


def assert_ends(answers: list[pb.Answer], text: str, reason: "pb.FinishReason.ValueType") -> None:
    assert text_of(answers) == text
    assert answers[-1].finish_reason == reason


@pytest.mark.parametrize("writes", ["batch", "event"])
@pytest.mark.parametrize("end", ["done", "eof"])
async def test_text_behind_a_finish_reason_is_part_of_the_answer(
    world: World, writes: str, end: str
) -> None:
    """Text and usage after a finish reason are part of the answer, which ends with the stream."""
    answers = await world.succeeds(
        f"writes {writes}; text a; finish; text b; text c; usage 5 7; {end}"
    )
    assert_ends(answers, "abc", pb.FINISH_REASON_STOP)
    assert answers[-1].usage.input_tokens == 5


@pytest.mark.parametrize("writes", ["batch", "event"])
async def test_a_finish_reason_in_every_chunk(world: World, writes: str) -> None:
    """No text is lost if the upstream writes the finish reason `stop` into each chunk."""
    steps = "; ".join(chunk(text, "stop") for text in "abc")
    answers = await world.succeeds(f"writes {writes}; {steps}; done")
    assert_ends(answers, "abc", pb.FINISH_REASON_STOP)


@pytest.mark.usefixtures("_short_rest")
@pytest.mark.parametrize("reason", [None, "stop"])
async def test_text_that_goes_on_for_long_behind_a_finish_reason(
    monkeypatch: pytest.MonkeyPatch, reason: str | None
) -> None:
    """The idle timeout applies to text after a finish reason, not the shorter wait for usage."""
    async with open_world(monkeypatch, idle_timeout_seconds=5) as world:
        pieces = f"; {BEYOND_REST if reason is None else 'wait 0.2'}; ".join(
            chunk(text, reason) for text in "bcd"
        )
        answers = await world.succeeds(f"text a; finish; {pieces}; usage 5 7; done")
    assert_ends(answers, "abcd", pb.FINISH_REASON_STOP)
    assert answers[-1].usage.output_tokens == 7


@pytest.mark.parametrize("writes", ["batch", "event"])
@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ("finish stop; finish length", pb.FINISH_REASON_LENGTH),
        ("finish length; text b; finish stop", pb.FINISH_REASON_STOP),
        (f"finish length; {chunk('', '')}; {chunk('b', None)}", pb.FINISH_REASON_LENGTH),
        (f"{chunk('', '')}; {chunk('', '')}; finish stop", pb.FINISH_REASON_STOP),
    ],
)
async def test_the_last_reason_that_is_not_empty_wins(
    world: World, reasons: str, expected: "pb.FinishReason.ValueType", writes: str
) -> None:
    """The last of several finish reasons counts, and an empty one is ignored."""
    answers = await world.succeeds(f"writes {writes}; text a; {reasons}; done")
    assert answers[-1].finish_reason == expected


async def test_a_filter_behind_a_finish_reason(world: World) -> None:
    """A content filter after another finish reason fails the answer."""
    answers, _ = await world.fails(
        "text a; finish; finish content_filter; usage; done",
        grpc.StatusCode.FAILED_PRECONDITION,
        "CONTENT_FILTERED",
    )
    assert text_of(answers) == "a"


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [
        ("reset", ABORTED, "UPSTREAM_STREAM_BROKEN"),
        ("close", ABORTED, "UPSTREAM_STREAM_BROKEN"),
        ("error; done", ABORTED, "UPSTREAM_ERROR"),
        ("bad-json; done", INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
        ("stall", ABORTED, "UPSTREAM_IDLE_TIMEOUT"),
    ],
)
@pytest.mark.parametrize("writes", ["batch", "event"])
async def test_text_behind_a_finish_reason_takes_it_back(
    monkeypatch: pytest.MonkeyPatch, writes: str, end: str, code: grpc.StatusCode, reason: str
) -> None:
    """An answer with text after its finish reason is not complete, and can still fail."""
    async with open_world(monkeypatch, idle_timeout_seconds=0.5 if end == "stall" else 30) as world:
        world.upstream.script(f"writes {writes}; text a; finish; text b; barrier read; {end}")
        call = aiter(world.send())
        text = ""
        while text != "ab":
            text += (await anext(call)).content
        # A reset discards what has not been read.
        world.upstream.barrier("read").release()
        answers, error = await world.ended(call)
        assert [answer.error for answer in answers] == [reason]
        assert error is not None
        assert (error.code(), reason_of(error)) == (code, reason)
        await world.check(code, reason)


@pytest.mark.parametrize("writes", ["batch", "event"])
@pytest.mark.parametrize(
    ("broken", "code", "reason"),
    [
        ("bad-json", INTERNAL, "UPSTREAM_PROTOCOL_ERROR"),
        ("error", ABORTED, "UPSTREAM_ERROR"),
    ],
)
async def test_what_breaks_between_two_texts_is_a_failure(
    world: World, writes: str, broken: str, code: grpc.StatusCode, reason: str
) -> None:
    """Text after an unreadable event means that the answer has a gap, so it fails."""
    plan = f"writes {writes}; text a; finish; {broken}; text b; finish; done"
    answers, _ = await world.fails(plan, code, reason)
    assert text_of(answers) == "a"


LAST_WORDS = 'data: {"choices":[{"delta":{"content":"b"},"finish_reason":"length"}]}'


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("before", ["text a", "text a; finish"])
async def test_the_end_of_the_stream_completes_an_event(
    world: World, before: str, line_end: str
) -> None:
    """An event with complete data counts even if its last line has no end."""
    answers = await world.succeeds(f"{before}; raw {json.dumps(LAST_WORDS + line_end)}; eof")
    assert_ends(answers, "ab", pb.FINISH_REASON_LENGTH)


@pytest.mark.parametrize("line_end", ["", "\n"])
@pytest.mark.parametrize("length", [20, 45, len(LAST_WORDS) - 1])
@pytest.mark.parametrize("before", ["text a", "text a; finish; text b"])
async def test_a_stream_that_ends_within_an_event(
    world: World, before: str, length: int, line_end: str
) -> None:
    """A truncated event fails an answer that has no finish reason after its text."""
    plan = f"{before}; raw {json.dumps(LAST_WORDS[:length] + line_end)}; eof"
    await world.fails(plan, ABORTED, "UPSTREAM_TRUNCATED")


async def test_a_whole_answer_that_ends_within_an_event(world: World) -> None:
    """A truncated event after the finish reason leaves the answer complete."""
    answers = await world.succeeds(f"text a; finish; raw {json.dumps(LAST_WORDS[:45])}; eof")
    assert_ends(answers, "a", pb.FINISH_REASON_STOP)


@pytest.mark.parametrize("broken", ["bad-json; bad-json", "error; usage 5 7", "invalid-utf8"])
async def test_what_breaks_behind_the_finish_reason_alone_is_none(
    world: World, broken: str
) -> None:
    """Errors after the finish reason leave the answer complete if no text follows."""
    answers = await world.succeeds(f"writes batch; text a; finish; {broken}; done")
    assert_ends(answers, "a", pb.FINISH_REASON_STOP)


async def test_an_event_too_large_to_be_usage_behind_a_finish_reason(world: World) -> None:
    """An event over the size limit after the finish reason must be text, so the answer fails."""
    reason = "UPSTREAM_EVENT_TOO_LARGE"
    answers, _ = await world.fails("text a; finish; big-delta 2MB; done", INTERNAL, reason)
    assert text_of(answers) == "a"


@pytest.mark.usefixtures("_short_rest")
@pytest.mark.parametrize("end", ["stall", "comments", "drip-of-reasons"])
async def test_the_wait_for_usage_is_bounded(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """An answer without text after its finish reason ends soon, whatever else arrives."""
    async with open_world(monkeypatch, idle_timeout_seconds=0.1) as world:
        if end == "drip-of-reasons":
            end = "; ".join([f"{chunk('', 'stop')}; wait 0.1"] * 20) + "; stall"
        started = time.monotonic()
        answers = await world.succeeds(f"text a; finish; {end}")
        assert time.monotonic() - started < 2
        assert_ends(answers, "a", pb.FINISH_REASON_STOP)
