"""Scripted upstreams that speak the wire formats of LangChain's providers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from support.app import MODEL
from support.quirks import Player, response
from support.raw_upstream import Piece, raw_upstream
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc

KEY = "key-canary"
CANARY = "upstream-canary"
"""A text in every error of an upstream."""


@dataclass(frozen=True)
class Wire:
    """The wire format of a provider.

    Attributes:
        name: The provider's name.
        address: The variable of the upstream's address.
        variables: The other variables that the provider needs.
        content_type: The type of a response with an answer.
    """

    name: str
    address: str
    variables: dict[str, str] = field(hash=False)
    content_type: str

    def body(self, *texts: str) -> list[bytes]:
        """Return the pieces of an answer's body up to these texts, without an end."""
        if self.name == "ollama":
            return [line(message={"role": "assistant", "content": each}) for each in texts]
        return [START, block(), *map(text, texts)] if texts else [START]

    def thought(self, content: str) -> bytes:
        """Return an event with a part of the reasoning."""
        if self.name == "ollama":
            return line(message={"role": "assistant", "content": "", "thinking": content})
        return piece(0, type="thinking_delta", thinking=content)

    def end(self) -> bytes:
        """Return the end of an answer's body."""
        return line(**DONE) if self.name == "ollama" else stop()

    def error(self) -> bytes:
        """Return an event that reports an error."""
        if self.name == "ollama":
            return line(error=CANARY)
        return sse("error", error={"type": "overloaded_error", "message": CANARY})

    def raw(self, data: bytes) -> bytes:
        """Return an event with this data."""
        return data + b"\n" if self.name == "ollama" else b"data: " + data + b"\n\n"

    def framed(self, value: Any) -> bytes:
        """Return an event with this value as JSON."""
        return self.raw(json.dumps(value).encode())

    def odd(self) -> bytes:
        """Return an event whose structure the provider's package does not expect."""
        if self.name == "ollama":
            return line(message={"role": "assistant", "content": {"a": 1}})
        return piece(0, type="text_delta", text={"a": 1})

    def rejection(self, status: str, message: str = CANARY, headers: str = "") -> list[Piece]:
        """Return the pieces of a rejection."""
        body: Any = {"error": message}
        if self.name == "anthropic":
            body = {"type": "error", "error": {"type": "some_error", "message": message}}
        head = f"{status}\r\n{headers}".removesuffix("\r\n")
        return response(json.dumps(body).encode(), status=head, content_type="application/json")

    def answer(self, *pieces: Piece) -> list[Piece]:
        """Return the pieces of a response with an answer."""
        return response(*pieces, content_type=self.content_type)


ANTHROPIC = Wire("anthropic", "ANTHROPIC_BASE_URL", {"ANTHROPIC_API_KEY": KEY}, "text/event-stream")
OLLAMA = Wire("ollama", "OLLAMA_HOST", {}, "application/x-ndjson")
WIRES = [ANTHROPIC, OLLAMA]
DONE: dict[str, Any] = {
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 2,
}


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


def line(**fields: Any) -> bytes:
    """Return a line of Ollama's API."""
    shared = {"model": "llama", "created_at": "2026-01-01T00:00:00.0Z", "done": False}
    return json.dumps(shared | fields, ensure_ascii=False).encode() + b"\n"


def select(wire: Wire, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of a provider."""
    for name, value in {wire.address: base_url, **wire.variables}.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def provider_player(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[Player]:
    """Start a server of a provider and its upstream."""
    async with raw_upstream() as upstream:
        select(wire, upstream.base_url.removesuffix("/v1"), monkeypatch)
        values = {
            "provider": wire.name,
            "model": MODEL,
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
        }
        async with (
            App(config.load(**(values | settings))) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            yield Player(upstream, chatgpt_pb2_grpc.ChatgptStub(channel), app._model)
