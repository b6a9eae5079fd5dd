"""The answers that the steps of a plan produce."""

import asyncio
import json

import pytest

from support.raw_client import ask_whole, decode, deltas, play, text_of
from tokenwire_demo import DemoUpstream


async def test_steps_continue_where_the_last_one_stopped(upstream: DemoUpstream) -> None:
    """Tokens, rest, finish, usage and done together produce the same answer as `answer`."""
    options = {"include_usage": True}
    apart = decode(await play(upstream, "tokens 2; rest; finish; usage; done"))
    at_once = decode(await play(upstream, "answer", stream_options=options))
    assert text_of(apart) == text_of(at_once)
    assert apart[-2]["usage"] == at_once[-2]["usage"]
    assert apart[-1] == at_once[-1] == "[DONE]"


async def test_text_is_sent_exactly(upstream: DemoUpstream) -> None:
    """A text step sends one delta with exactly this text, including NUL and quotes."""
    text = 'a;b ]"\\\n\0é🙂'
    body = await play(upstream, f"text {json.dumps(text)}")
    assert deltas(body)[1:] == [{"content": text}]


async def test_filler_has_the_length_asked_for(upstream: DemoUpstream) -> None:
    """A filler step sends a given number of tokens, which usage counts."""
    events = decode(await play(upstream, "filler 300 word=la; finish; usage"))
    assert text_of(events) == " la" * 300
    assert events[-1]["usage"]["completion_tokens"] == 300
    assert upstream.requests[0].tokens_sent == 300


async def test_refusal_and_reasoning_are_deltas_of_their_own(upstream: DemoUpstream) -> None:
    """Refusals and reasoning are sent in their own fields, and usage counts reasoning tokens."""
    events = decode(await play(upstream, 'reasoning "a b"; refusal "c d"; finish; usage'))
    assert [one["choices"][0]["delta"] for one in events[1:5]] == [
        {"reasoning_content": "a"},
        {"reasoning_content": " b"},
        {"refusal": "c"},
        {"refusal": " d"},
    ]
    usage = events[-1]["usage"]
    assert usage["completion_tokens"] == 4
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 2


async def test_reasoning_may_come_in_another_field(upstream: DemoUpstream) -> None:
    """The field of the reasoning can be set, since servers differ."""
    assert deltas(await play(upstream, "reasoning why field=reasoning"))[1:] == [
        {"reasoning": "why"}
    ]


async def test_a_tool_call_names_its_tool(upstream: DemoUpstream) -> None:
    """A tool-call step sends a delta with one call."""
    call = deltas(await play(upstream, "tool-call weather"))[1]["tool_calls"][0]
    assert call["function"]["name"] == "weather"


async def test_usage_may_be_any_numbers(upstream: DemoUpstream) -> None:
    """The given values replace the actual counts; the other counts stay actual."""
    usage = decode(await play(upstream, "tokens 4; usage prompt=9 cached=3 reasoning=2"))[-1]
    assert usage["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


async def test_finish_may_have_any_reason(
    upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """The finish step sends the given reason."""
    for reason in ("length", "content_filter", "tool_calls", "anything"):
        with subtests.test(reason=reason):
            event = decode(await play(upstream, f"finish {reason}"))[-1]
            assert event["choices"][0]["finish_reason"] == reason


async def test_times_are_settable_for_the_server_and_for_a_request() -> None:
    """Time to first token and pace take at least as long as set, and a plan can change both."""
    loop = asyncio.get_running_loop()
    async with DemoUpstream(time_to_first_token=0.05, tokens_per_second=100) as upstream:
        started = loop.time()
        await play(upstream, "tokens 6")
        assert loop.time() - started >= 0.1
        record = upstream.requests[0]
        await play(upstream, "pace 0 0; tokens 6")
        faster = upstream.requests[1]
    assert record.ended is not None
    assert faster.ended is not None
    assert faster.ended - faster.started < record.ended - record.started


async def test_plans_work_without_streaming(upstream: DemoUpstream) -> None:
    """If the request does not stream, the steps of an answer produce one JSON object."""
    answer = (await ask_whole(upstream, "reasoning why; tokens 2; finish length; usage")).json()
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": "This is",
        "refusal": None,
        "reasoning_content": "why",
    }
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3
    refused = (await ask_whole(upstream, "refusal no; finish")).json()["choices"][0]["message"]
    assert (refused["content"], refused["refusal"]) == (None, "no")
    cut = (await ask_whole(upstream, "tokens 2")).json()
    assert (cut["choices"][0]["finish_reason"], cut["usage"]) == (None, None)
