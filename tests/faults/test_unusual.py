"""Rows 22 to 24 and 27 to 30: unusual answers that are complete."""

import json
import time

import grpc
import pytest

from support.helpers import text_of
from support.world import World, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

ODD_TEXT = "Zoë 日本 🙂 a\u0000b \r\n\r \u0085\u2028\ufeff data: [DONE]\n\n end"
"""UTF-8 of every length, NUL, and everything that some reader takes for the end of a line."""

TRIES = 5


def assert_whole(answers: list[pb.Answer], finish_reason: "pb.FinishReason.ValueType") -> None:
    """Assert that all but the last Answer have text, and that the last has the finish reason."""
    assert all(answer.content for answer in answers[:-1])
    assert answers[-1].finish_reason == finish_reason
    assert not any(answer.error for answer in answers)


@pytest.mark.parametrize(
    "scenario", ["empty-choices", "null-choices", "null-delta", "null-content", "null-usage"]
)
async def test_row_22_chunks_without_text(world: World, scenario: str) -> None:
    """A chunk without text causes no Answer, and the text around it is complete."""
    expected = text_of(await world.succeeds("answer"))
    answers = await world.succeeds(f"scenario {scenario}")
    assert text_of(answers) == expected
    assert_whole(answers, pb.FINISH_REASON_STOP)


async def test_row_22_usage_survives_null_usage(world: World) -> None:
    """A later `"usage": null`, which some upstreams send with every chunk, keeps the usage."""
    [*_, last] = await world.succeeds("tokens 3; finish; usage 5 7; null-usage; done")
    assert (last.usage.input_tokens, last.usage.output_tokens) == (5, 7)


async def test_row_23_data_after_done(world: World) -> None:
    """Data after [DONE] is not part of the answer."""
    expected = text_of(await world.succeeds("answer"))
    for plan in ("scenario data-after-done", "answer; bad-json", "answer; error", "answer; reset"):
        answers = await world.succeeds(plan)
        assert text_of(answers) == expected
        assert_whole(answers, pb.FINISH_REASON_STOP)


async def test_row_23_held_open_after_done(world: World) -> None:
    """A connection that stays open after [DONE] delays the answer by less than 0.2 s."""
    for _ in range(TRIES):
        world.upstream.script("rest; finish; usage; barrier end; done; stall")
        call = world.send()
        await world.upstream.barrier("end").reached()
        world.upstream.barrier("end").release()
        released = time.monotonic()
        answers, error = await world.ended(call)
        took = time.monotonic() - released
        assert error is None
        assert_whole(answers, pb.FINISH_REASON_STOP)
        await world.check(grpc.StatusCode.OK)
        if took < 0.2:
            break
    assert took < 0.2


@pytest.mark.parametrize("line_ends", ["lf", "crlf", "cr"])
@pytest.mark.parametrize("writes", ["auto", "event", "batch", "byte", "split-utf8"])
async def test_row_24_text_is_exact(world: World, writes: str, line_ends: str) -> None:
    """The text arrives unchanged for all line ends, wherever writes split it."""
    text = f"text {json.dumps(ODD_TEXT, ensure_ascii=False)}"
    settings = f"writes {writes}; line-ends {line_ends}"
    answers = await world.succeeds(f'{settings}; {text}; text " "; {text}; finish; usage; done')
    assert text_of(answers) == f"{ODD_TEXT} {ODD_TEXT}"
    assert_whole(answers, pb.FINISH_REASON_STOP)


@pytest.mark.parametrize("writes", ["auto", "byte"])
async def test_row_24_byte_order_mark(world: World, writes: str) -> None:
    """A byte order mark before the first event is skipped, even if it arrives in pieces."""
    answers = await world.succeeds(
        f'writes {writes}; raw "\\ufeff"; data {{"choices":[{{"delta":{{"content":"a"}}}}]}}; '
        "finish; done"
    )
    assert text_of(answers) == "a"


@pytest.mark.parametrize("writes", ["auto", "byte"])
async def test_row_24_every_form_of_an_event(world: World, writes: str) -> None:
    """Fields without a space, data over several lines, other fields and comments are accepted."""
    events = (
        'data:{"choices":[{"delta":{"content":"a"}}]}\n\n'
        ': comment\nid: 1\nretry: 5\nevent: message\nfoo\ndata: {"choices":\n'
        'data: [{"delta":{"content":"b"}}]}\n\n'
        'data:  {"choices":[{"delta":{"content":"c"}}]}\n: comment\n\n\n\n'
    )
    answers = await world.succeeds(
        f"writes {writes}; headers; raw {json.dumps(events)}; finish; done"
    )
    assert text_of(answers) == "abc"


async def test_row_27_length(world: World) -> None:
    """An answer cut off by the token limit is OK, with the finish reason LENGTH."""
    answers = await world.succeeds("scenario length")
    assert text_of(answers) == "This is tokenwire's"
    assert_whole(answers, pb.FINISH_REASON_LENGTH)


@pytest.mark.parametrize("tokens", [0, 1, 3])
async def test_row_28_content_filter(world: World, tokens: int) -> None:
    """An answer that the content filter ended is CONTENT_FILTERED, with or without text."""
    before = f"tokens {tokens}; " if tokens else ""
    answers, _ = await world.fails(
        f"{before}finish content_filter; usage; done",
        grpc.StatusCode.FAILED_PRECONDITION,
        "CONTENT_FILTERED",
    )
    assert len(text_of(answers).split()) == tokens


async def test_row_29_refusal(world: World) -> None:
    """The text of a refusal is the text of the answer."""
    answers = await world.succeeds('refusal "I decline."; finish; usage; done')
    assert answers[-1].refused
    assert text_of(answers) == "I decline."
    assert_whole(answers, pb.FINISH_REASON_STOP)


@pytest.mark.parametrize("plan", ["scenario empty-answer", "finish; done", "role; finish length"])
async def test_row_30_empty_answer(world: World, plan: str) -> None:
    """A complete answer without text is one Answer with the finish reason."""
    [answer] = await world.succeeds(plan)
    assert answer.content == ""
    assert answer.finish_reason != pb.FINISH_REASON_UNSPECIFIED


@pytest.mark.parametrize("end", ["reset", "close", "eof", "bad-json", "error", "invalid-utf8"])
async def test_row_19_broken_after_finish_reason(world: World, end: str) -> None:
    """After the finish reason the answer is complete, even if the connection breaks."""
    expected = text_of(await world.succeeds("answer"))
    answers = await world.succeeds(f"rest; finish; {end}")
    assert text_of(answers) == expected
    assert_whole(answers, pb.FINISH_REASON_STOP)


@pytest.mark.parametrize("begin", ["tokens 3", "role"])
async def test_row_19_stall_after_finish_reason(
    monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    """A complete answer whose usage never arrives ends soon, and succeeds after any timeout."""
    times = {"idle_timeout_seconds": 0.5, "first_token_timeout_seconds": 0.5}
    async with open_world(monkeypatch, **times) as world:
        started = time.monotonic()
        answers = await world.succeeds(f"{begin}; finish; stall")
        assert time.monotonic() - started < 3
        assert_whole(answers, pb.FINISH_REASON_STOP)
