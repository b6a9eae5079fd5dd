"""Requests and scripted answers are what AWS's own model of ConverseStream has."""

import json
from base64 import b64decode
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from support.aws_model import events_of, problems_of
from support.bedrock_wire import BEDROCK, START, call, delta, event, exception
from support.providers import provider_player
from tokenwire.core.conversation_state import StateCodec
from tokenwire.v1 import chatgpt_pb2 as pb

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
SCHEMA = '{"type":"object","properties":{}}'
BLOCKS = [
    {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
    {"type": "redacted_thinking", "data": "c2VjcmV0"},
]
PARTS = {
    kind: [pb.Part(inline=b"data", media_type=each) for each in types]
    for kind, types in {
        "images": ("image/png", "image/jpeg", "image/gif", "image/webp"),
        "audio": (
            *("audio/wav", "audio/x-wav", "audio/mpeg", "audio/mp3", "audio/flac", "audio/ogg"),
            *("audio/opus", "audio/aac", "audio/mp4", "audio/webm"),
        ),
        "files": (
            *("application/pdf", "application/msword", "text/plain", "text/markdown"),
            *("text/csv", "text/html"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
    }.items()
}
FORMATS = {
    "image": {"png", "jpeg", "gif", "webp"},
    "audio": {"wav", "mp3", "flac", "ogg", "opus", "aac", "mp4", "webm"},
    "document": {"pdf", "doc", "docx", "xlsx", "txt", "md", "csv", "html"},
}


def full(state: bytes) -> pb.Message:
    """Return a request with everything that Bedrock takes."""
    called = pb.ToolCall(id="tooluse_1", name="get", arguments='{"a_b":[1.5]}')
    return pb.Message(
        content="hello",
        system="Be brief.",
        parts=[each for kind in PARTS.values() for each in kind],
        history=[
            pb.Turn(role=pb.ROLE_USER, content="a", parts=PARTS["images"]),
            pb.Turn(role=pb.ROLE_ASSISTANT, content="b", tool_calls=[called], state=state),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="tooluse_1", parts=PARTS["files"]),
        ],
        params=pb.Params(model=MODEL, temperature=0.5, top_p=0.5, max_tokens=9, stop=["x"]),
        reasoning=pb.Reasoning(effort=pb.EFFORT_XHIGH, max_tokens=1024),
        format=pb.Format(json_schema=pb.JsonSchema(name="a", schema=SCHEMA)),
        tools=[pb.Tool(name="get", description="Gets.", parameters=SCHEMA, strict=True)],
        tool_choice=pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED),
    )


async def test_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request with every field has only members of AWS's model, with their types."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        base_url = upstream.upstream.base_url.removesuffix("/v1")
        state = StateCodec(base_url, "bedrock").encode({"blocks": BLOCKS})
        await upstream.play(BEDROCK.answer(*BEDROCK.body("x"), BEDROCK.end()), full(state))
        assert upstream.error is None
        body: dict[str, Any] = json.loads(upstream.upstream.body)
    assert problems_of(body) == ""
    assert "stream" in problems_of({**body, "stream": True})
    blocks = [block for message in body["messages"] for block in message["content"]]
    assert {name for block in blocks for name in block} == {
        *("text", "image", "audio", "document", "toolUse", "toolResult", "reasoningContent"),
    }
    for kind, formats in FORMATS.items():
        found = [block[kind] for block in blocks if kind in block]
        assert {each["format"] for each in found} == formats
        assert all(b64decode(each["source"]["bytes"]) == b"data" for each in found)


def test_answers() -> None:
    """AWS's SDK reads the scripted answers as they are meant."""
    body = [
        *BEDROCK.body("Zoë \u2028"),
        BEDROCK.thought("hm"),
        delta(1, reasoningContent={"signature": "c2lnbmVk"}),
        delta(2, reasoningContent={"redactedContent": "c2VjcmV0"}),
        *call(3, "tooluse_1", "get", '{"a":', "1}"),
        BEDROCK.stop("guardrail_intervened", cacheReadInputTokens=4, cacheWriteInputTokens=2),
    ]
    counts = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    assert events_of(b"".join(body)) == [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Zoë \u2028"}}},
        _reasoned(0, text="hm"),
        _reasoned(1, signature="c2lnbmVk"),
        _reasoned(2, redactedContent=b"secret"),
        {
            "contentBlockStart": {
                "contentBlockIndex": 3,
                "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "get"}},
            }
        },
        {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"toolUse": {"input": '{"a":'}}}},
        {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"toolUse": {"input": "1}"}}}},
        {"contentBlockStop": {"contentBlockIndex": 3}},
        {"messageStop": {"stopReason": "guardrail_intervened"}},
        {
            "metadata": {
                "usage": {**counts, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 2},
                "metrics": {"latencyMs": 7},
            }
        },
    ]
    with pytest.raises(EventStreamError, match="throttlingException"):
        events_of(START + exception("throttlingException"))
    assert events_of(event("messageStop", stopReason="x")) == [{"messageStop": {"stopReason": "x"}}]


def _reasoned(index: int, **piece: object) -> dict[str, Any]:
    """Return an event with a piece of reasoning, as AWS's SDK reads it."""
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"reasoningContent": piece}}}
