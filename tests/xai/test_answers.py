"""Answers in xAI's API: what clients such as `xai-sdk` insist on."""

import json
import time
from typing import Any

import pytest

from support.app import StartApp
from support.xai import XaiStubs, asked, function, said, xai_stubs
from tokenwire.api.encrypted_content import ANSWER, decode_states, encode_states
from tokenwire.api.xai.usage import to_sampling_usage
from tokenwire.core.domain import Usage
from tokenwire.xai.v1 import xai_pb2 as pb
from tokenwire_demo import DemoUpstream

TOOLS = {"tools": [function("a"), function("b")]}
CALLS = (
    'text "Two."; tool-call a {"x":1} id=x pieces=3; tool-call b index=1 id=y; '
    "finish tool_calls; usage prompt=11 completion=7 cached=2 reasoning=3; done"
)
IN_PIECES = 'reasoning "hm hm"; tokens 4; rest; finish; usage; done'


async def chunks_of(
    xai: XaiStubs, upstream: DemoUpstream, plan: str, **fields: Any
) -> list[pb.GetChatCompletionChunk]:
    """Return the chunks of an answer that follows a plan."""
    upstream.script(plan)
    return await xai.stream(asked(**fields))


@pytest.mark.parametrize("plan", ["answer", CALLS, IN_PIECES, "text x; finish length; done"])
async def test_every_chunk_is_whole(xai: XaiStubs, upstream: DemoUpstream, plan: str) -> None:
    """Each chunk has the id, the model and the time; each output the role and index 0."""
    before = int(time.time()) - 1
    chunks = await chunks_of(xai, upstream, plan, **TOOLS)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id
    assert {chunk.model for chunk in chunks} == {"demo-model"}
    assert all(before <= chunk.created.seconds <= time.time() for chunk in chunks)
    outputs = [output for chunk in chunks for output in chunk.outputs]
    assert {(output.index, output.delta.role) for output in outputs} == {(0, pb.ROLE_ASSISTANT)}


@pytest.mark.parametrize("plan", ["answer", CALLS, IN_PIECES])
async def test_the_end_is_in_two_chunks(xai: XaiStubs, upstream: DemoUpstream, plan: str) -> None:
    """The last chunk with an output has the finish reason; the usage is after it, without one."""
    *parts, finish, last = await chunks_of(xai, upstream, plan, **TOOLS)
    assert not any(output.finish_reason for chunk in parts for output in chunk.outputs)
    assert not any(chunk.HasField("usage") for chunk in [*parts, finish])
    [output] = finish.outputs
    assert output.finish_reason
    assert not output.delta.content
    assert not last.outputs
    assert last.usage.total_tokens > 0


ODD = {
    "finish; done": "",
    "text x; finish": "x",
    'refusal "no"; finish; done': "no",
    'text "a\\u0000\\u00e9"; finish; usage; done': "a\x00\u00e9",
}


@pytest.mark.parametrize("plan", ODD)
async def test_odd_answers_are_complete(xai: XaiStubs, upstream: DemoUpstream, plan: str) -> None:
    """An empty answer, a refusal and an end without `[DONE]` end as any answer does."""
    *_, finish, last = chunks = await chunks_of(xai, upstream, plan)
    text = "".join(each.delta.content for chunk in chunks for each in chunk.outputs)
    assert text == ODD[plan]
    assert finish.outputs[0].finish_reason == pb.REASON_STOP
    assert not last.outputs


REASONS = {
    "stop": pb.REASON_STOP,
    "length": pb.REASON_MAX_LEN,
    "tool_calls": pb.REASON_TOOL_CALLS,
    "other": pb.REASON_INVALID,
}


@pytest.mark.parametrize("reason", REASONS)
async def test_finish_reasons(xai: XaiStubs, upstream: DemoUpstream, reason: str) -> None:
    """Each finish reason has its value in both methods."""
    plan = f"tool-call a; finish {reason}; done" if reason == "tool_calls" else ""
    plan = plan or f"text x; finish {reason}; done"
    chunks = await chunks_of(xai, upstream, plan, **TOOLS)
    assert chunks[-2].outputs[0].finish_reason == REASONS[reason]
    upstream.script(plan)
    response = await xai.chat.GetCompletion(asked(**TOOLS))
    assert response.outputs[0].finish_reason == REASONS[reason]


async def test_tool_calls_are_whole(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """Each call arrives once, with an id, a name and a JSON object as its arguments."""
    chunks = await chunks_of(xai, upstream, CALLS, **TOOLS)
    calls = [call for chunk in chunks for each in chunk.outputs for call in each.delta.tool_calls]
    found = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls]
    assert found == [("x", "a", {"x": 1}), ("y", "b", {})]
    assert {call.type for call in calls} == {pb.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL}


async def test_usage_has_the_cost(start_app: StartApp, upstream: DemoUpstream) -> None:
    """Reasoning counts apart from the text, and the cost is in units of 1e-10 dollars."""
    app = await start_app(protocols="xai", prices="demo-model=1:2:0.5")
    expected = pb.SamplingUsage(
        completion_tokens=4,
        prompt_tokens=11,
        total_tokens=18,
        prompt_text_tokens=11,
        reasoning_tokens=3,
        cached_prompt_text_tokens=2,
        cost_in_usd_ticks=(9 * 10 + 2 * 5 + 7 * 20) * 1_000,
    )
    async with xai_stubs(app.address) as stubs:
        assert (await chunks_of(stubs, upstream, CALLS, **TOOLS))[-1].usage == expected
        upstream.script(CALLS)
        assert (await stubs.chat.GetCompletion(asked(**TOOLS))).usage == expected


async def test_without_a_price_there_is_no_cost(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """The cost is unset, not 0, where the settings have no price."""
    assert not (await xai.chat.GetCompletion(asked())).usage.HasField("cost_in_usd_ticks")
    upstream.script("text x; finish; done")
    assert not (await xai.chat.GetCompletion(asked())).HasField("usage")


async def test_a_whole_answer_is_that_of_the_stream(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """Text, reasoning, tool calls, finish reason and usage equal those of the chunks."""
    fields: dict[str, Any] = {**TOOLS, "reasoning_effort": pb.EFFORT_LOW}
    plan = f'reasoning "hm hm"; {CALLS}'
    chunks = await chunks_of(xai, upstream, plan, **fields)
    deltas = [output.delta for chunk in chunks for output in chunk.outputs]
    upstream.script(plan)
    response = await xai.chat.GetCompletion(asked(**fields))
    [output] = response.outputs
    message = output.message
    assert message.content == "".join(delta.content for delta in deltas) == "Two."
    assert message.reasoning_content == "".join(delta.reasoning_content for delta in deltas)
    assert message.reasoning_content == "hm hm"
    assert list(message.tool_calls) == [call for delta in deltas for call in delta.tool_calls]
    assert message.role == pb.ROLE_ASSISTANT
    assert (response.model, response.usage) == (chunks[-1].model, chunks[-1].usage)
    assert response.id != chunks[-1].id
    assert response.created.seconds


@pytest.mark.parametrize("effort", [None, pb.EFFORT_NONE])
async def test_reasoning_is_shown_if_it_is_asked_for(
    xai: XaiStubs, upstream: DemoUpstream, effort: Any
) -> None:
    """Without an effort, or with none, the answer does not have the reasoning."""
    chunks = await chunks_of(xai, upstream, IN_PIECES, reasoning_effort=effort)
    assert not any(each.delta.reasoning_content for chunk in chunks for each in chunk.outputs)


LOGPROBS = {
    "content": [
        {
            "token": "Hi",
            "logprob": -0.5,
            "bytes": [72, 105],
            "top_logprobs": [{"token": "Ho", "logprob": -2, "bytes": None}],
        }
    ]
}
EVENTS = [
    {"choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": LOGPROBS}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]


async def test_log_probabilities(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """Tokens have their log probabilities in both methods."""
    plan = "; ".join([*(f"data {json.dumps(each)}" for each in EVENTS), "done"])
    expected = pb.LogProbs(
        content=[
            pb.LogProb(
                token="Hi",
                logprob=-0.5,
                bytes=b"Hi",
                top_logprobs=[pb.TopLogProb(token="Ho", logprob=-2)],
            )
        ]
    )
    chunks = await chunks_of(xai, upstream, plan, logprobs=True, top_logprobs=1)
    assert chunks[0].outputs[0].logprobs == expected
    upstream.script(plan)
    response = await xai.chat.GetCompletion(asked(logprobs=True, top_logprobs=1))
    assert response.outputs[0].logprobs == expected


STATES = [("x", b"of the call"), ("", b"of the answer"), ("y", b"")]


def test_states_can_be_joined() -> None:
    """The texts of several chunks, joined, have the states of all."""
    text = "".join(encode_states([each]) for each in STATES)
    assert text == encode_states(STATES)
    assert decode_states(text, "") == {"x": b"of the call", ANSWER: b"of the answer"}
    assert decode_states("", "") == {}


async def test_what_an_upstream_needs_back_returns_to_it(
    xai: XaiStubs, upstream: DemoUpstream
) -> None:
    """`encrypted_content` of a stream and of a whole answer brings the reasoning back upstream."""
    plan = 'reasoning "Hm."; tool-call a id=x; finish tool_calls; usage; done'
    chunks = await chunks_of(xai, upstream, plan, **TOOLS)
    streamed = "".join(each.delta.encrypted_content for chunk in chunks for each in chunk.outputs)
    upstream.script(plan)
    message = (await xai.chat.GetCompletion(asked(**TOOLS))).outputs[0].message
    assert not message.reasoning_content
    for content in (streamed, message.encrypted_content):
        answer = pb.Message(
            role=pb.ROLE_ASSISTANT, tool_calls=message.tool_calls, encrypted_content=content
        )
        result = said("r", role=pb.ROLE_TOOL)
        await xai.chat.GetCompletion(asked(said("hello"), answer, result, **TOOLS))
        assert upstream.requests[-1].body["messages"][1]["reasoning_content"] == "Hm."


def test_counts_have_a_limit() -> None:
    """A count beyond 32 bits is sent as the largest that fits, not as an error."""
    usage = to_sampling_usage(Usage(1 << 40, 1 << 40), None)
    assert usage.prompt_tokens == usage.total_tokens == (1 << 31) - 1
