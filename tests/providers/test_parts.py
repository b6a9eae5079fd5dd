"""Images and files reach a provider in its own form, or are rejected by name."""

import json
from base64 import b64encode
from typing import Any

import pytest

from support.anthropic_wire import ANTHROPIC
from support.bedrock_wire import BEDROCK
from support.google_wire import GOOGLE
from support.ollama_wire import OLLAMA
from support.providers import WIRES, check_lacking, provider_player
from support.wire import Wire
from tokenwire.v1 import chatgpt_pb2 as pb

URL = "https://example.com/a.png"
DATA = b"\x89PNG\r\n"
ENCODED = b64encode(DATA).decode()
IMAGE = pb.Part(inline=DATA, media_type="image/png")
PDF = pb.Part(inline=DATA, media_type="application/pdf")
LINKED = pb.Part(url=URL)
SPOKEN = pb.Part(inline=DATA, media_type="audio/wav")


def source(media_type: str) -> dict[str, Any]:
    """Return Anthropic's form of inline data."""
    return {"type": "base64", "media_type": media_type, "data": ENCODED}


async def test_anthropic_receives_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and files are blocks after the text, in the message, in turns and in results."""
    called = pb.ToolCall(id="a", name="get_map", arguments="{}")
    message = pb.Message(
        content="what?",
        parts=[IMAGE, LINKED, PDF],
        history=[
            pb.Turn(role=pb.ROLE_USER, parts=[IMAGE]),
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[called]),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="map", parts=[IMAGE]),
            pb.Turn(role=pb.ROLE_ASSISTANT, content="Nice."),
        ],
        tools=[pb.Tool(name="get_map")],
    )
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        played = ANTHROPIC.answer(*ANTHROPIC.body("x"), ANTHROPIC.end())
        got = await upstream.play(played, message)
        assert (got.text, got.reason) == ("x", "STOP")
        messages = json.loads(upstream.upstream.body)["messages"]
    image = {"type": "image", "source": source("image/png")}
    assert messages[0] == {"role": "user", "content": [image]}
    [result] = messages[2]["content"]
    assert result["content"] == [{"type": "text", "text": "map"}, image]
    assert messages[4]["content"] == [
        {"type": "text", "text": "what?"},
        image,
        {"type": "image", "source": {"type": "url", "url": URL}},
        {"type": "document", "source": source("application/pdf")},
    ]


async def test_ollama_receives_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are a list beside the text, in the message and in turns."""
    history = [pb.Turn(role=pb.ROLE_USER, content="Hi", parts=[IMAGE])]
    message = pb.Message(content="what?", parts=[IMAGE, IMAGE], history=history)
    async with provider_player(OLLAMA, monkeypatch) as upstream:
        got = await upstream.play(OLLAMA.answer(*OLLAMA.body("x"), OLLAMA.end()), message)
        assert (got.text, got.reason) == ("x", "STOP")
        first, last = json.loads(upstream.upstream.body)["messages"]
    assert (first["content"], first["images"]) == ("Hi", [ENCODED])
    assert (last["content"], last["images"]) == ("what?", [ENCODED, ENCODED])


LACKING: list[tuple[Wire, str, pb.Message]] = [
    *(
        (wire, "parts[1]", pb.Message(parts=[IMAGE, SPOKEN]))
        for wire in WIRES
        if wire not in (BEDROCK, GOOGLE)
    ),
    (ANTHROPIC, "parts[0].detail", pb.Message(parts=[pb.Part(url=URL, detail=pb.DETAIL_LOW)])),
    (OLLAMA, "parts[0].url", pb.Message(parts=[LINKED])),
    (
        OLLAMA,
        "history[0].parts[0]",
        pb.Message(content="x", history=[pb.Turn(role=pb.ROLE_USER, parts=[PDF])]),
    ),
]


async def test_what_a_provider_lacks(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A part without a counterpart is rejected by its path, and the upstream is not asked."""
    for wire in WIRES:
        async with provider_player(wire, monkeypatch) as upstream:
            for field, message in [each[1:] for each in LACKING if each[0] == wire]:
                with subtests.test(provider=wire.name, field=field):
                    await check_lacking(upstream, message, field)
