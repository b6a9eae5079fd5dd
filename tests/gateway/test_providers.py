"""Routes to upstreams of different providers."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.anthropic_wire import ANTHROPIC
from support.app import Stub
from support.gateway import HELLO
from support.providers import WIRES
from support.raw_upstream import Piece, RawUpstream, raw_upstream
from support.wire import KEY, Wire
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream


@asynccontextmanager
async def serving(
    folder: Path, wire: Wire, model: dict[str, Any] | None = None
) -> AsyncIterator[tuple[RawUpstream, DemoUpstream, Stub]]:
    """Start a server whose first route is of another provider, and its second is OpenAI's."""
    async with raw_upstream() as other, DemoUpstream() as demo:
        other.keep_body = True
        own: dict[str, Any] = {
            "provider": wire.name,
            "base_url": other.base_url.removesuffix("/v1"),
            **wire.section,
        }
        if wire.variables:
            own["keys"] = ["env:GATEWAY_KEY"]
        if wire is ANTHROPIC:
            own["headers"] = {"X-Team": "ml", "Anthropic-Version": "2099-01-01"}
        file = {
            "upstreams": {"own": own, "demo": {"base_url": demo.base_url}},
            "models": {"fast": model or {"routes": ["own/model-1", "demo/model-2"]}},
        }
        path = folder / "gateway.yaml"
        path.write_text(json.dumps(file))
        settings = config.load(config=path, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0")
        async with (
            App(settings) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            yield other, demo, chatgpt_pb2_grpc.ChatgptStub(channel)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_another_provider_is_a_route(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets its own model and the key of the file; its failures move on like all others."""
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    async with serving(tmp_path, wire) as (other, demo, stub):
        other.pieces = wire.answer(*wire.body("Hi"), wire.end())
        answer = await stub.Ask(HELLO)
        assert (answer.content, answer.route.upstream) == ("Hi", "own")
        assert wire.model_of(other.head, other.body) == "model-1"
        if wire.variables:
            assert f" {KEY}".encode() in other.head
        if wire is ANTHROPIC:
            assert b"x-team: ml" in other.head
            assert other.head.lower().count(b"anthropic-version: 2099-01-01") == 1
            assert other.head.lower().count(b"anthropic-version:") == 1
        other.pieces = wire.rejection("529 Overloaded")
        answer = await stub.Ask(HELLO)
        assert (answer.route.upstream, answer.route.attempts) == ("demo", 2)
        assert demo.requests[-1].body["model"] == "model-2"


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_another_provider_answers_a_hedge(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer, begun in one task and read on in another, is whole; it may lose as well."""
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    model = {"routes": ["demo/model-2", "own/model-1"], "hedge_after": "50ms"}
    async with serving(tmp_path, wire, model) as (other, demo, stub):
        other.pieces = wire.answer(*wire.body("Hi"), wire.end())
        demo.script("barrier never; answer")
        answer = await stub.Ask(HELLO)
        assert (answer.content, answer.route.upstream) == ("Hi", "own")
        asked, gate = asyncio.Event(), asyncio.Event()
        other.pieces = _late(asked, gate)
        demo.script("barrier first; answer")
        asking = asyncio.ensure_future(stub.Ask(HELLO))
        await asked.wait()
        demo.barrier("first").release()
        assert (await asking).route.upstream == "demo"
        gate.set()


def _late(asked: asyncio.Event, gate: asyncio.Event) -> Iterator[Piece]:
    """Tell that a request has come, and say nothing before the gate opens."""
    asked.set()
    yield gate
