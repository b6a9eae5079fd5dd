"""Tools, refusals and rare kinds of tokens are in the span, the metrics and the log line."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.app import MODEL
from support.exposed import read
from support.otlp import Collector, attributes_of
from support.quirks import STOP, delta, finish, response, text, usage
from support.unary import RawServer, raw_server
from tokenwire.v1 import chatgpt_pb2 as pb

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SCHEMA = '{"type": "object", "properties": {"canary-city": {"type": "string"}}}'
TOOL = pb.Tool(name="canary_weather", description="canary-description", parameters=SCHEMA)


@pytest.fixture
async def server(collector: Collector) -> AsyncIterator[RawServer]:
    """A server that exports its spans to the collector."""
    del collector
    async with raw_server(tokenizer="vllm") as running:
        yield running


def called(*names: str) -> list[dict[str, Any]]:
    """Return the tool calls of a delta."""
    return [
        {"index": index, "id": f"id-{index}", "function": {"name": name, "arguments": "{}"}}
        for index, name in enumerate(names)
    ]


async def test_tool_calls_are_told(
    server: RawServer, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Span, metrics and log line have their number and the finish reason, and no text."""
    caplog.set_level("INFO", "tokenwire.call")
    server.play(response(delta(tool_calls=called("canary_a", "canary_b")), finish("tool_calls")))
    for pieces in (False, True):
        message = pb.Message(content="hello", tools=[TOOL], stream_tool_calls=pieces)
        assert [answer async for answer in server.stub.Send(message)]
    exposed = await read(server.app)
    assert exposed.value("tokenwire_tool_calls_total", gen_ai_request_model=MODEL) == 4
    assert exposed.total("tokenwire_finish_reasons_total", finish_reason="tool_calls") == 2
    for span in await collector.answered(2):
        attributes = attributes_of(span)
        assert attributes["gen_ai.response.finish_reasons"] == ["tool_calls"]
        assert attributes["tokenwire.tool_calls"] == 2
    assert "canary" not in str(collector.spans)
    for record in caplog.records:
        assert vars(record)["tool_calls"] == 2
        assert "canary" not in str(vars(record))


async def test_tools_are_captured_where_asked_for(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The definitions of the tools are in the span if the conventions' variable enables it."""
    monkeypatch.setenv(CAPTURE, "true")
    async with raw_server() as server:
        server.play(response(text("x"), STOP))
        tools = [TOOL, pb.Tool(name="other")]
        await server.stub.Ask(pb.Message(content="hello", tools=tools))
        [span] = await collector.answered(1)
    assert json.loads(attributes_of(span)["gen_ai.tool.definitions"]) == [
        {
            "type": "function",
            "name": "canary_weather",
            "description": "canary-description",
            "parameters": json.loads(SCHEMA),
        },
        {
            "type": "function",
            "name": "other",
            "parameters": {"type": "object", "properties": {}},
        },
    ]


async def test_a_refusal_is_told(
    server: RawServer, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Span, metrics and log line tell a refusal from an answer."""
    caplog.set_level("INFO", "tokenwire.call")
    server.play(response(delta(refusal="canary-no"), STOP))
    assert (await server.stub.Ask(pb.Message(content="hello"))).refused
    server.play(response(text("x"), STOP))
    await server.stub.Ask(pb.Message(content="hello"))
    exposed = await read(server.app)
    assert exposed.value("tokenwire_refusals_total", gen_ai_request_model=MODEL) == 1
    refused, answered = map(attributes_of, await collector.answered(2))
    assert refused["tokenwire.refused"] is True
    assert "tokenwire.refused" not in answered
    assert [vars(record).get("refused") for record in caplog.records] == [True, None]
    assert "canary" not in str(collector.spans)


COUNTS = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 30, "audio_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 5},
}


async def test_all_kinds_of_tokens_are_told(
    server: RawServer, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens of the cache, of audio and of reasoning have attributes and series of their own."""
    caplog.set_level("INFO", "tokenwire.call")
    server.play(response(text("x"), finish("stop"), usage(**COUNTS)))
    await server.stub.Ask(pb.Message(content="hello"))
    exposed = await read(server.app)
    kinds = {
        "input": 100,
        "cached": 40,
        "cache_write": 30,
        "input_audio": 20,
        "output": 50,
        "reasoning": 10,
        "output_audio": 5,
    }
    for kind, count in kinds.items():
        assert exposed.total("tokenwire_tokens_total", gen_ai_token_type=kind) == count
    [span] = await collector.answered(1)
    attributes = attributes_of(span)
    assert {
        name.removeprefix("gen_ai.usage."): value
        for name, value in attributes.items()
        if name.startswith("gen_ai.usage.")
    } == {
        "input_tokens": 100,
        "cache_read.input_tokens": 40,
        "cache_creation.input_tokens": 30,
        "audio.input_tokens": 20,
        "output_tokens": 50,
        "reasoning.output_tokens": 10,
        "audio.output_tokens": 5,
    }
    [record] = caplog.records
    assert (vars(record)["cached_tokens"], vars(record)["reasoning_tokens"]) == (40, 10)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (pb.Format(json=True), "json"),
        (pb.Format(json_schema=pb.JsonSchema(schema=SCHEMA)), "json"),
        (None, "text"),
    ],
    ids=["json", "json_schema", "none"],
)
async def test_the_form_of_the_answer_is_told(
    server: RawServer, collector: Collector, form: pb.Format | None, kind: str
) -> None:
    """The span says whether the request asks for JSON."""
    server.play(response(text("{}"), STOP))
    await server.stub.Ask(pb.Message(content="hello", format=form))
    [span] = await collector.answered(1)
    assert attributes_of(span)["gen_ai.output.type"] == kind
    assert "canary" not in str(collector.spans)
