"""Answers in OpenAI's JSON: the form of the chunks, and what an upstream adds to them."""

import json
import time
from typing import Any

import pytest

from support.aiplatform import AiplatformStub, text_in
from support.unary import ending_of
from tokenwire_demo import DemoUpstream

USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
CALLS = (
    'text "Two."; tool-call a {"x":1} id=x pieces=3; tool-call b index=1 id=y; '
    "finish tool_calls; usage prompt=11 completion=7 cached=2 reasoning=3; done"
)
PLANS = ("answer", CALLS, 'reasoning "hm hm"; tokens 4; rest; finish; usage; done')


def events(*chunks: Any) -> str:
    """Return a plan of chunks, each as it is, and the end of the stream."""
    return "; ".join([*(f"data {json.dumps(each)}" for each in chunks), "done"])


def chunk(delta: Any, /, reason: str | None = None, **members: Any) -> dict[str, Any]:
    """Return an upstream's chunk; `choice` adds members to its choice."""
    of_choice = members.pop("choice", {})
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **of_choice}
    return {"id": "up", "object": "chat.completion.chunk", "choices": [choice], **members}


STOP = chunk({}, "stop")


@pytest.mark.parametrize("plan", PLANS)
async def test_every_chunk_is_whole(
    vertex: AiplatformStub, upstream: DemoUpstream, plan: str
) -> None:
    """Each chunk has the id of the request, the model and the time; the first one has the role."""
    before = int(time.time()) - 1
    upstream.script(plan)
    chunks = await vertex.chunks(tools=TOOLS, **USAGE)
    assert len({each["id"] for each in chunks}) == 1
    assert {each["model"] for each in chunks} == {"demo-model"}
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}
    assert all(before <= each["created"] <= time.time() for each in chunks)
    deltas = [each["delta"] for found in chunks for each in found["choices"]]
    assert [delta.get("role") for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
    reasons = [each["finish_reason"] for found in chunks for each in found["choices"]]
    assert reasons[-1]
    assert not any(reasons[:-1])


async def test_usage_is_sent_if_it_is_asked_for(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """The usage is in the last chunk, which has no choice, and in no chunk without the option."""
    expected = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    upstream.script(CALLS, CALLS, CALLS)
    *chunks, last = await vertex.chunks(tools=TOOLS, **USAGE)
    assert (last["choices"], last["usage"]) == ([], expected)
    assert not any("usage" in each for each in chunks)
    assert not any("usage" in each for each in await vertex.chunks(tools=TOOLS))
    assert (await vertex.whole(tools=TOOLS))["usage"] == expected


async def test_each_chunk_of_the_upstream_is_one_of_the_answer(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """Chunks that arrive together are not merged."""
    upstream.script("writes batch; tokens 5; finish; usage; done")
    chunks = await vertex.chunks()
    assert len(chunks) == 6


REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "new": "other"}


@pytest.mark.parametrize("reason", REASONS)
async def test_finish_reasons(vertex: AiplatformStub, upstream: DemoUpstream, reason: str) -> None:
    """Each finish reason has its word in both forms."""
    plan = events(chunk({"content": "x"}), chunk({}, reason))
    upstream.script(plan, plan)
    assert (await vertex.chunks())[-1]["choices"][0]["finish_reason"] == REASONS[reason]
    [choice] = (await vertex.whole())["choices"]
    assert choice["finish_reason"] == REASONS[reason]


async def test_tool_calls(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """Calls come in pieces with one index each, and whole in a whole answer."""
    upstream.script(CALLS, CALLS)
    chunks = await vertex.chunks(tools=TOOLS)
    pieces = [
        call
        for each in chunks
        for choice in each["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert len(pieces) > 2
    assert {piece["index"] for piece in pieces} == {0, 1}
    assert "".join(p["function"]["arguments"] for p in pieces if p["index"] == 0) == '{"x": 1}'
    message = (await vertex.whole(tools=TOOLS))["choices"][0]["message"]
    assert message["content"] == "Two."
    assert message["tool_calls"] == [
        {"id": "x", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}},
        {"id": "y", "type": "function", "function": {"name": "b", "arguments": "{}"}},
    ]


async def test_irregular_calls_become_regular(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """Calls without ids, with one index for all, or with objects as arguments are told apart."""
    call = {"index": 0, "function": {"name": "a", "arguments": {"x": 1}}}
    upstream.script(events(chunk({"tool_calls": [call]}), chunk({"tool_calls": [call]}), STOP))
    message = (await vertex.whole(tools=TOOLS))["choices"][0]["message"]
    assert [each["function"]["arguments"] for each in message["tool_calls"]] == ['{"x":1}'] * 2
    assert len({each["id"] for each in message["tool_calls"]}) == 2


async def test_members_of_chunks_go_through(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """What the service does not interpret is in the chunk in which the upstream has sent it."""
    plan = events(
        chunk({"role": "assistant", "content": ""}, prompt_filter_results=[1]),
        chunk({"content": "a", "new": {"x": [1.5]}}, service_tier="flex", obfuscation="z"),
        chunk({"content": "b"}, choice={"token_ids": [7], "logprobs": None}),
        chunk({}, "stop", choice={"stop_reason": "</s>"}, system_fingerprint="fp"),
    )
    upstream.script(plan, plan)
    first, second, last = await vertex.chunks()
    assert (first["prompt_filter_results"], first["service_tier"]) == ([1], "flex")
    assert first["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "a",
        "new": {"x": [1.5]},
    }
    assert second["choices"][0] == {
        "index": 0,
        "delta": {"content": "b"},
        "finish_reason": None,
        "token_ids": [7],
    }
    assert last["system_fingerprint"] == "fp"
    assert last["choices"][0]["stop_reason"] == "</s>"
    whole = await vertex.whole()
    assert whole["choices"][0]["message"]["new"] == {"x": [1.5]}
    assert whole["choices"][0]["stop_reason"] == "</s>"
    assert whole["prompt_filter_results"] == [1]


async def test_an_upstreams_identity_stays_with_it(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """The upstream's id, model and time, its usage and empty errors are not in the answer."""
    canary: dict[str, Any] = {
        "id": "canary",
        "model": "canary",
        "created": 7,
        "error": {},
        "x_groq": {"id": "c"},
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": "canary"}
    upstream.script(events(chunk({"content": "a"}, **canary), {**STOP, "usage": usage}))
    text = json.dumps(await vertex.chunks(**USAGE))
    assert "canary" not in text
    assert "error" not in text


async def test_audio_goes_through(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """Pieces of what is no text are progress, and are joined in a whole answer."""
    plan = events(
        chunk({"role": "assistant", "content": None}),
        chunk({"audio": {"id": "a1", "data": "AAAA", "transcript": "Hel"}}),
        chunk({"audio": {"data": "BBBB", "transcript": "lo"}}),
        chunk({}, "stop"),
    )
    upstream.script(plan, plan)
    chunks = await vertex.chunks(modalities=["text", "audio"], audio={"voice": "alloy"})
    assert [each["choices"][0]["delta"].get("audio") for each in chunks] == [
        {"id": "a1", "data": "AAAA", "transcript": "Hel"},
        {"data": "BBBB", "transcript": "lo"},
        None,
    ]
    message = (await vertex.whole())["choices"][0]["message"]
    assert message["audio"] == {"id": "a1", "data": "AAAABBBB", "transcript": "Hello"}
    assert message["content"] is None


CUSTOM = [
    {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": "sel"}},
    {"index": 0, "custom": {"input": "ect 1"}},
]


async def test_calls_of_other_kinds_go_through(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """A call of a custom tool comes as the upstream sends it, and joined in a whole answer."""
    plan = events(*(chunk({"tool_calls": [each]}) for each in CUSTOM), chunk({}, "tool_calls"))
    tools = [{"type": "custom", "custom": {"name": "sql"}}]
    upstream.script(plan, plan)
    chunks = await vertex.chunks(tools=tools)
    found = [each["choices"][0]["delta"].get("tool_calls") for each in chunks]
    assert found == [[CUSTOM[0]], [CUSTOM[1]], None]
    message = (await vertex.whole(tools=tools))["choices"][0]["message"]
    custom = {"name": "sql", "input": "select 1"}
    assert message["tool_calls"] == [{"id": "c1", "type": "custom", "custom": custom}]
    assert upstream.requests[-1].body["tools"] == tools


async def test_a_refusal(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """A refusal is in `refusal`, in both forms."""
    plan = 'refusal "no"; refusal "pe"; finish; done'
    upstream.script(plan, plan)
    deltas = [each["choices"][0]["delta"] for each in await vertex.chunks()]
    assert "".join(delta.get("refusal", "") for delta in deltas) == "nope"
    message = (await vertex.whole())["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "nope")


REASONING: dict[str, Any] = {
    "reasoning_content": {"reasoning_content": "hm"},
    "reasoning": {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text"}]},
}


@pytest.mark.parametrize("name", REASONING)
async def test_reasoning_has_the_upstreams_name(
    vertex: AiplatformStub, upstream: DemoUpstream, name: str
) -> None:
    """Reasoning stands where the upstream puts it, and is joined in a whole answer."""
    plan = events(chunk(REASONING[name]), chunk(REASONING[name]), chunk({"content": "x"}), STOP)
    upstream.script(plan, plan)
    deltas = [each["choices"][0]["delta"] for each in await vertex.chunks()]
    assert deltas[1] == REASONING[name]
    message = (await vertex.whole())["choices"][0]["message"]
    assert (message[name], message["content"]) == ("hmhm", "x")


LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72], "top_logprobs": []}]}


async def test_log_probabilities(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """Log probabilities stand in the choice, as the upstream sends them, and add up in a whole."""
    plan = events(
        chunk({"content": "Hi"}, choice={"logprobs": LOGPROBS}),
        chunk({"content": "Hi"}, choice={"logprobs": LOGPROBS}),
        STOP,
    )
    upstream.script(plan, plan)
    chunks = await vertex.chunks(logprobs=True, top_logprobs=1)
    assert chunks[0]["choices"][0]["logprobs"] == LOGPROBS
    [choice] = (await vertex.whole(logprobs=True))["choices"]
    assert choice["logprobs"]["content"] == LOGPROBS["content"] * 2


ODD = {
    "finish; done": "",
    "text x; finish": "x",
    'text "a\\u0000\\u00e9"; finish; usage; done': "a\x00\u00e9",
    "rest; finish; done": None,
}


@pytest.mark.parametrize("plan", ODD)
async def test_odd_answers_are_complete(
    vertex: AiplatformStub, upstream: DemoUpstream, plan: str
) -> None:
    """An empty answer and an end without `[DONE]` end as any answer does."""
    upstream.script(plan)
    chunks = await vertex.chunks()
    if ODD[plan] is not None:
        assert text_in(chunks) == ODD[plan]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_what_an_upstream_needs_back_returns_to_it(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """`encrypted_content` of both forms brings the reasoning and the signatures back upstream."""
    extra = {"google": {"thought_signature": "s"}}
    call = {"index": 0, "id": "x", "extra_content": extra, "function": {"name": "a"}}
    plan = events(chunk({"reasoning_content": "Hm."}), chunk({"tool_calls": [call]}), STOP)
    upstream.script(plan, plan)
    [*_, last] = await vertex.chunks(tools=TOOLS)
    message = (await vertex.whole(tools=TOOLS))["choices"][0]["message"]
    content = last["choices"][0]["delta"]["encrypted_content"]
    assert content == message["encrypted_content"]
    answer = {"role": "assistant", "encrypted_content": content}
    answer |= {"tool_calls": message["tool_calls"]}
    result = {"role": "tool", "tool_call_id": "x", "content": "r"}
    await vertex.whole(messages=[{"role": "user", "content": "hi"}, answer, result], tools=TOOLS)
    sent = upstream.requests[-1].body["messages"][1]
    assert sent["reasoning_content"] == "Hm."
    assert sent["tool_calls"][0]["extra_content"] == extra
    assert "encrypted_content" not in sent


async def test_a_large_whole_answer_fails(vertex: AiplatformStub, upstream: DemoUpstream) -> None:
    """A whole answer above 4 MB, of whatever members, is UPSTREAM_RESPONSE_TOO_LARGE."""
    upstream.script(events(*[chunk({"new": "x" * 900_000})] * 5, STOP))
    assert await ending_of(vertex.whole()) == ("INTERNAL", "UPSTREAM_RESPONSE_TOO_LARGE")
