"""tokenwire in front of a third-party OpenAI-compatible server."""

import json

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect, text_of
from support.litellm_proxy import Proxy
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'

OSLO, ROME = (json.dumps(json.dumps({"city": city})) for city in ("Oslo", "Rome"))
"""The arguments of two calls, as the simulator's plans have them."""

# The proxy takes up to a minute to start on a busy machine.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]


async def test_an_answer_streams_with_usage(litellm_proxy: Proxy, start_app: StartApp) -> None:
    """LiteLLM's answer is streamed whole, in several parts, and ends with the reported usage."""
    app = await start_app(
        base_url=litellm_proxy.base_url, api_key=litellm_proxy.api_key, model=litellm_proxy.model
    )

    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers = await collect(stub.Send(pb.Message(content="Hello"), timeout=60))

    *pieces, last = answers
    assert text_of(pieces) == litellm_proxy.answer
    assert len(pieces) > 1
    assert last.finish_reason == pb.FINISH_REASON_STOP
    assert last.model == litellm_proxy.model
    assert last.usage.input_tokens > 0
    assert last.usage.output_tokens > 0


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_tools_reasoning_and_usage_pass_through(
    litellm_proxy: Proxy, start_app: StartApp, dialect: str
) -> None:
    """LiteLLM translates a provider's reasoning, tool calls and usage, and all of it arrives."""
    app = await start_app(
        base_url=litellm_proxy.base_url,
        api_key=litellm_proxy.api_key,
        model=litellm_proxy.provider_model,
        dialect=dialect,
    )
    tool = pb.Tool(name="get_weather", parameters=SCHEMA)
    async with (
        DemoUpstream(port=litellm_proxy.provider_port) as provider,
        grpc.aio.insecure_channel(app.address) as channel,
    ):
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        provider.script(
            'reasoning "Two cities."; '
            f"tool-call get_weather id=a arguments={OSLO}; "
            f"tool-call get_weather index=1 id=b arguments={ROME}; "
            "finish tool_calls; usage prompt=11 completion=7 reasoning=3 cached=2; done",
            "text Rome.; finish; done",
        )
        asks = pb.Message(
            content="Where is it warmer?", tools=[tool], reasoning=pb.Reasoning(show=True)
        )
        answers = await collect(stub.Send(asks, timeout=60))
        calls = [call for answer in answers for call in answer.tool_calls]
        assert [(call.name, json.loads(call.arguments)) for call in calls] == [
            ("get_weather", {"city": "Oslo"}),
            ("get_weather", {"city": "Rome"}),
        ]
        assert "".join(answer.reasoning for answer in answers) == "Two cities."
        last = answers[-1]
        assert last.finish_reason == pb.FINISH_REASON_TOOL_CALLS
        usage = last.usage
        assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (11, 7, 3)
        history = [
            pb.Turn(role=pb.ROLE_USER, content=asks.content),
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=calls, state=last.state),
            *(
                pb.Turn(role=pb.ROLE_TOOL, tool_call_id=call.id, content=result)
                for call, result in zip(calls, ("3", "18"), strict=True)
            ),
        ]
        answer = await stub.Ask(pb.Message(history=history, tools=[tool]), timeout=60)
        assert answer.content == "Rome."
        sent = provider.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["function"]["name"] for call in sent[1]["tool_calls"]] == ["get_weather"] * 2
    assert [message["content"] for message in sent[2:]] == ["3", "18"]
