"""The demo upstream's responses API, read by OpenAI's own client and as bytes."""

import json
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from tokenwire_demo import DemoUpstream
from tokenwire_demo.scenarios import SCENARIOS

TYPES = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


async def streamed(upstream: DemoUpstream, plan: str, **fields: Any) -> list[ResponseStreamEvent]:
    """Ask for a stream with OpenAI's client; return its events."""
    async with openai.AsyncOpenAI(
        base_url=upstream.base_url, api_key="any", max_retries=0
    ) as client:
        arguments = {"model": "any", "input": "hello there", **fields}
        stream = await client.responses.create(
            stream=True, extra_headers={"x-demo-plan": plan}, **arguments
        )
        return [event async for event in stream]


def last(events: list[ResponseStreamEvent]) -> Response:
    """Return the response of the last event."""
    assert events[-1].type in ("response.completed", "response.incomplete")
    return events[-1].response


async def test_the_events_are_those_of_openai(upstream: DemoUpstream) -> None:
    """An answer has OpenAI's events in their order, numbered, with one item at one place."""
    events = await streamed(upstream, "tokens 2; finish; usage; done")
    assert [event.type for event in events] == TYPES
    assert [event.sequence_number for event in events] == list(range(len(TYPES)))
    places = {
        (event.item_id, event.output_index, event.content_index)
        for event in events
        if event.type in ("response.output_text.delta", "response.output_text.done")
    }
    [item] = last(events).output
    assert places == {(item.id, 0, 0)}
    assert last(events).output_text == "This is"
    assert last(events).id == "resp-demo-1"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_the_same_as_that_of_chat_completions(
    upstream: DemoUpstream, *, stream: bool
) -> None:
    """Text, usage and the end are those of a chat completion, streamed or not."""
    async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="any") as client:
        messages: Any = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three four"},
        ]
        chat = await client.chat.completions.create(model="any", messages=messages)
        if stream:
            response = last(await streamed(upstream, "answer", input=messages))
        else:
            response = await client.responses.create(model="any", input=messages)
        assert response.output_text == chat.choices[0].message.content
        assert response.usage
        assert chat.usage
        assert response.usage.input_tokens == chat.usage.prompt_tokens
        assert response.usage.output_tokens == chat.usage.completion_tokens
        assert (response.status, response.error) == ("completed", None)


async def test_reasoning_refusals_and_calls_are_items(upstream: DemoUpstream) -> None:
    """Each kind of content is an item with its own events, in the order of the plan."""
    plan = (
        'reasoning "a b"; refusal "c d"; tool-call get {"x":1} id=call-7; finish tool_calls; done'
    )
    plan = plan.replace('{"x":1}', json.dumps('{"x":1}'))
    events = await streamed(upstream, plan)
    deltas = [
        (event.type, event.delta)
        for event in events
        if event.type
        in (
            "response.reasoning_summary_text.delta",
            "response.refusal.delta",
            "response.function_call_arguments.delta",
        )
    ]
    assert deltas == [
        ("response.reasoning_summary_text.delta", "a"),
        ("response.reasoning_summary_text.delta", " b"),
        ("response.refusal.delta", "c"),
        ("response.refusal.delta", " d"),
        ("response.function_call_arguments.delta", '{"x":1}'),
    ]
    reasoning, message, call = last(events).output
    assert reasoning.type == "reasoning"
    assert [part.text for part in reasoning.summary] == ["a b"]
    assert message.type == "message"
    assert [part.type for part in message.content] == ["refusal"]
    assert call.type == "function_call"
    assert (call.call_id, call.name, call.arguments) == ("call-7", "get", '{"x":1}')
    assert last(events).status == "completed"


ENDINGS = [
    ("tokens 3; finish length; done", "incomplete", "max_output_tokens"),
    ("tokens 3; finish content_filter; done", "incomplete", "content_filter"),
    ("tokens 3; finish", "completed", None),
]


@pytest.mark.parametrize(("plan", "status", "reason"), ENDINGS)
async def test_the_last_event_says_how_it_ended(
    upstream: DemoUpstream, plan: str, status: str, reason: str | None
) -> None:
    """A finish reason becomes the status of the response, and the reason why it is incomplete."""
    response = last(await streamed(upstream, plan))
    details = response.incomplete_details
    assert (response.status, details and details.reason) == (status, reason)


async def test_the_limit_of_tokens(upstream: DemoUpstream) -> None:
    """`max_output_tokens` limits the answer."""
    response = last(await streamed(upstream, "answer", max_output_tokens=2))
    assert (response.output_text, response.status) == ("This is", "incomplete")


async def test_usage_is_that_of_the_plan(upstream: DemoUpstream) -> None:
    """The last event has the counts of the step `usage`, and none without it."""
    usage = last(await streamed(upstream, "rest; finish; usage 7 6 5 4; done")).usage
    assert usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (7, 6, 13)
    assert usage.input_tokens_details.cached_tokens == 5
    assert usage.output_tokens_details.reasoning_tokens == 4
    assert last(await streamed(upstream, "rest; finish; done")).usage is None


async def test_an_error_is_an_event(upstream: DemoUpstream) -> None:
    """Both error steps send an event of the type `error`."""
    for step in ("error", "error-event"):
        plan = f"tokens 1; {step} message=planned code=rate_limit_exceeded"
        error = (await streamed(upstream, plan))[-1]
        assert error.type == "error"
        assert (error.message, error.code) == ("planned", "rate_limit_exceeded")


REJECTED: list[tuple[dict[str, Any], str]] = [
    ({"input": []}, "input"),
    ({"input": [{"type": "function_call"}]}, "input[0]"),
    ({"input": "hello", "stop": ["x"]}, "stop"),
    ({"input": "hello", "seed": 1}, "seed"),
    ({"input": "hello", "max_tokens": 1}, "max_tokens"),
    ({"messages": [{"role": "user", "content": "hello"}]}, "messages"),
]


async def test_what_openai_rejects_is_rejected(upstream: DemoUpstream) -> None:
    """An invalid input and the parameters of chat completions get a 400 that names them."""
    async with aiohttp.ClientSession() as session:
        for fields, param in REJECTED:
            url = f"{upstream.base_url}/responses"
            async with session.post(url, json={"model": "any", **fields}) as response:
                assert response.status == 400
                assert (await response.json())["error"]["param"] == param


CHUNKS = ("empty-choices", "null-choices", "null-delta", "null-content", "null-usage")


async def test_every_scenario_that_has_no_chunks_can_be_played(
    upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """The plans of chat completions are valid here, except those that name a part of a chunk."""
    async with aiohttp.ClientSession() as session:
        for name, scenario in SCENARIOS.items():
            if "stall" in name or "flood" in scenario.plan or scenario.plan.count("comments"):
                continue
            if name in ("endless-drip", "held-after-done", "no-newline", "gzip-bomb", "slow"):
                continue
            with subtests.test(name=name):
                try:
                    async with session.post(
                        f"{upstream.base_url}/responses",
                        json={"model": "any", "input": "hello", "stream": True},
                        headers={"x-demo-plan": f"scenario {name}"},
                        allow_redirects=False,
                        auto_decompress=False,
                    ) as response:
                        body = await response.read()
                except aiohttp.ClientError:
                    body = b""
                is_rejected = b"invalid_demo_plan" in body
                assert is_rejected == any(step in scenario.plan for step in CHUNKS)
                assert upstream.requests[-1].outcome != "failed"
