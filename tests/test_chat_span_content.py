"""Prompts and answers are in spans only if the conventions' variable enables it."""

import json

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect, failure_of
from support.otlp import Collector, attributes_of
from support.traced import CANARIES
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.mark.parametrize("value", ["true", "SPAN_ONLY", "span_and_event"])
async def test_content_is_captured_where_asked_for(
    collector: Collector,
    start_app: StartApp,
    upstream: DemoUpstream,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
) -> None:
    """If the variable enables it, the conversation is in the span of the answer, and only there."""
    monkeypatch.setenv(CAPTURE, value)
    app = await start_app()
    upstream.script("text canary-; text text; finish stop; done")
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(CANARIES))
    [server] = await collector.received(1)
    [span] = await collector.answered(1)
    attributes = attributes_of(span)
    assert said(attributes["gen_ai.input.messages"]) == [
        ("user", "canary-question"),
        ("assistant", "canary-answer"),
        ("user", "canary-content"),
    ]
    assert json.loads(attributes["gen_ai.system_instructions"]) == [
        {"type": "text", "content": "canary-system"}
    ]
    assert attributes["gen_ai.request.stop_sequences"] == ["canary-stop"]
    assert said(attributes["gen_ai.output.messages"]) == [("assistant", "canary-text")]
    assert json.loads(attributes["gen_ai.output.messages"])[0]["finish_reason"] == "stop"
    assert "canary" not in str(server)


async def test_a_broken_answer_is_captured_too(
    collector: Collector,
    start_app: StartApp,
    upstream: DemoUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The span of an interrupted answer contains the text that arrived."""
    monkeypatch.setenv(CAPTURE, "true")
    app = await start_app()
    upstream.script("text half; reset")
    async with grpc.aio.insecure_channel(app.address) as channel:
        await failure_of(chatgpt_pb2_grpc.ChatgptStub(channel).Send(CANARIES))
    [span] = await collector.answered(1)
    assert said(attributes_of(span)["gen_ai.output.messages"]) == [("assistant", "half")]


@pytest.mark.parametrize("value", ["false", "NO_CONTENT", "event_only"])
async def test_content_stays_out_otherwise(
    collector: Collector, start_app: StartApp, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """With any other value of the variable, no span contains the conversation."""
    monkeypatch.setenv(CAPTURE, value)
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(CANARIES))
    await collector.received(1)
    assert "canary" not in str(collector.spans)


def said(messages: str) -> list[tuple[str, str]]:
    """Return the role and text of each message."""
    return [(each["role"], each["parts"][0]["content"]) for each in json.loads(messages)]


async def test_data_stays_out(
    collector: Collector, start_app: StartApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an image, the span has the type and the size or the address, and never the data."""
    monkeypatch.setenv(CAPTURE, "true")
    app = await start_app()
    inline = pb.Part(inline=b"canary" * 100, media_type="image/png")
    linked = pb.Part(url="https://example.com/a.pdf", media_type="application/pdf")
    message = pb.Message(content="what?", parts=[inline, linked])
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(message))
    [span] = await collector.answered(1)
    [user] = json.loads(attributes_of(span)["gen_ai.input.messages"])
    assert user["parts"] == [
        {"type": "text", "content": "what?"},
        {
            "type": "blob",
            "content": "",
            "size": 600,
            "modality": "image",
            "mime_type": "image/png",
        },
        {
            "type": "uri",
            "uri": "https://example.com/a.pdf",
            "modality": "file",
            "mime_type": "application/pdf",
        },
    ]
