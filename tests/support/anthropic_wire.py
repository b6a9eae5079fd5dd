"""Anthropic's Messages API."""

import json
from typing import Any

from support.wire import CANARY, KEY, Wire


class AnthropicWire(Wire):
    """The wire format of the provider `anthropic`."""

    def body(self, *texts: str) -> list[bytes]:
        return [START, block(), *map(text, texts)] if texts else [START]

    def thought(self, content: str) -> bytes:
        return piece(0, type="thinking_delta", thinking=content)

    def end(self) -> bytes:
        return stop()

    def error(self) -> bytes:
        return sse("error", error={"type": "overloaded_error", "message": CANARY})

    def odd(self) -> bytes:
        return piece(0, type="text_delta", text={"a": 1})

    def rejected(self, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "some_error", "message": message}}


def sse(kind: str, **fields: Any) -> bytes:
    """Return an event of Anthropic's API."""
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(**usage: Any) -> bytes:
    """Return the event that begins a message with this usage."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"output_tokens": 1, **usage},
    }
    return sse("message_start", message=message)


START = start(input_tokens=3)


def block(index: int = 0, **content: Any) -> bytes:
    """Return the event that begins a block of content, which is text unless `content` says else."""
    content = content or {"type": "text", "text": ""}
    return sse("content_block_start", index=index, content_block=content)


def piece(index: int, **delta: Any) -> bytes:
    """Return an event with a part of a block."""
    return sse("content_block_delta", index=index, delta=delta)


def text(content: str, index: int = 0) -> bytes:
    """Return an event with a part of a text."""
    return piece(index, type="text_delta", text=content)


def stop(reason: str = "end_turn", **usage: Any) -> bytes:
    """Return the events that end a message."""
    delta = {"stop_reason": reason, "stop_sequence": None}
    last = sse("message_delta", delta=delta, usage={"output_tokens": 2, **usage})
    return last + sse("message_stop")


ANTHROPIC = AnthropicWire("anthropic", "ANTHROPIC_BASE_URL", {"ANTHROPIC_API_KEY": KEY})
