"""Scripted upstreams that speak the wire formats of LangChain's providers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from support.anthropic_wire import ANTHROPIC
from support.app import MODEL
from support.bedrock_wire import BEDROCK
from support.google_wire import GOOGLE
from support.helpers import violated_fields_of
from support.mistral_wire import MISTRAL
from support.ollama_wire import OLLAMA
from support.quirks import Got, Player
from support.raw_upstream import raw_upstream
from support.wire import Wire
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

WIRES: list[Wire] = [ANTHROPIC, BEDROCK, GOOGLE, MISTRAL, OLLAMA]


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
            yield Player(upstream, chatgpt_pb2_grpc.ChatgptStub(channel), app.components.model)


async def check_lacking(upstream: Player, message: pb.Message, field: str) -> None:
    """Check that a message is rejected by the path of a field, and the upstream is not asked."""
    got = await upstream.play([], message)
    assert got == Got("", "INVALID_PARAMETER", grpc.StatusCode.INVALID_ARGUMENT, requests=0)
    assert upstream.error
    assert violated_fields_of(upstream.error) == [field]
