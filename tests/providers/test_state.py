"""Anthropic's signed reasoning comes back to it after tool calls."""

import json
from typing import Any

import pytest

from support.anthropic_wire import ANTHROPIC, START, block, piece, sse, stop
from support.providers import provider_player
from support.quirks import Player
from tokenwire.core.conversation_state import MAX_STATE_BYTES, StateCodec
from tokenwire.v1 import chatgpt_pb2 as pb

TOOL = pb.Tool(name="get_time")
SECRET = {"type": "redacted_thinking", "data": "c2VjcmV0"}
THINKING = {"type": "thinking", "thinking": "Let me look.", "signature": "c2lnbmVk"}
CALL = [
    block(2, type="tool_use", id="toolu_1", name="get_time", input={}),
    piece(2, type="input_json_delta", partial_json="{}"),
    stop("tool_use"),
]


def thinking(*pieces: str) -> list[bytes]:
    """Return a block of reasoning in pieces, and one that is redacted."""
    return [
        block(0, type="thinking", thinking="", signature=""),
        *(piece(0, type="thinking_delta", thinking=each) for each in pieces),
        piece(0, type="signature_delta", signature="c2lnbmVk"),
        sse("content_block_stop", index=0),
        block(1, **SECRET),
    ]


async def asked(upstream: Player, *pieces: bytes, tools: bool = True) -> bytes:
    """Play an answer and return its state."""
    message = pb.Message(content="hello", tools=[TOOL] if tools else [])
    await upstream.play(ANTHROPIC.answer(START, *pieces), message)
    assert upstream.error is None
    return upstream.answers[-1].state


async def repeated(upstream: Player, state: bytes, content: str = "") -> list[Any]:
    """Continue after a turn with this state; return the content that the upstream receives."""
    call = pb.ToolCall(id="toolu_1", name="get_time", arguments="{}")
    history = [
        pb.Turn(role=pb.ROLE_USER, content="hello"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content=content, tool_calls=[call], state=state),
        pb.Turn(role=pb.ROLE_TOOL, tool_call_id="toolu_1", content="noon"),
    ]
    played = ANTHROPIC.answer(*ANTHROPIC.body("x"), ANTHROPIC.end())
    got = await upstream.play(played, pb.Message(history=history, tools=[TOOL]))
    assert (got.text, got.reason) == ("x", "STOP")
    found: list[Any] = json.loads(upstream.upstream.body)["messages"][1]["content"]
    return found


async def test_signed_reasoning_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks precede the text and the calls of their turn, byte for byte."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        state = await asked(upstream, *thinking("Let me ", "look."), *CALL)
        use = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}}
        assert await repeated(upstream, state) == [THINKING, SECRET, use]
        with_text = await repeated(upstream, state, "Looking.")
        assert with_text[:3] == [THINKING, SECRET, {"type": "text", "text": "Looking."}]


async def test_without_tools_there_is_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without tools gets no state."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        assert await asked(upstream, *thinking("hm"), stop(), tools=False) == b""


async def test_too_much_reasoning_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasoning that no state can hold is dropped as a whole; the answer is the same."""
    text = "x" * 200_000
    many = [text] * (MAX_STATE_BYTES // len(text) + 1)
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        assert await asked(upstream, *thinking(*many), *CALL) == b""


async def test_forged_state(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """State can hold blocks of reasoning only, and only of this upstream."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        base_url = upstream.upstream.base_url.removesuffix("/v1")
        canary = {"type": "text", "text": "canary"}
        forged: list[Any] = [canary, "canary", {**THINKING, "signature": 7}, {"type": ["x"]}]
        for state in (
            StateCodec(base_url, "anthropic").encode({"blocks": forged}),
            StateCodec(base_url, "anthropic").encode({"blocks": "canary"}),
            StateCodec("http://other", "anthropic").encode({"blocks": [THINKING]}),
            b"canary",
        ):
            with subtests.test(state=state[:60]):
                [use] = await repeated(upstream, state)
                assert use["type"] == "tool_use"
