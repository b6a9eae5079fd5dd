"""A server with a gateway file, before several simulators."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from support.app import Stub
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")


@dataclass(frozen=True)
class GatewayWorld:
    """A server and its upstreams.

    Attributes:
        app: The server.
        stub: A client of the server.
        upstreams: The simulators, by the names of the upstreams.
        path: The gateway file.
    """

    app: App
    stub: Stub
    upstreams: dict[str, DemoUpstream]
    path: Path

    def seen(self) -> dict[str, int]:
        """Return the number of requests that each upstream has received."""
        return {name: upstream.requests_seen for name, upstream in self.upstreams.items()}


@asynccontextmanager
async def gateway_world(
    folder: Path,
    models: dict[str, Any],
    upstreams: dict[str, dict[str, Any]],
    **settings: Any,
) -> AsyncIterator[GatewayWorld]:
    """Start a simulator for each upstream, and a server with the file of both."""
    async with AsyncExitStack() as stack:
        running = {
            name: await stack.enter_async_context(DemoUpstream(tokens_per_second=0))
            for name in upstreams
        }
        sections = {
            name: {"base_url": running[name].base_url, **section}
            for name, section in upstreams.items()
        }
        path = folder / "gateway.yaml"
        # JSON is valid YAML.
        path.write_text(json.dumps({"upstreams": sections, "models": models}))
        values = {"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "config": path}
        app = await stack.enter_async_context(App(config.load(**(values | settings))))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(app.address))
        yield GatewayWorld(app, chatgpt_pb2_grpc.ChatgptStub(channel), running, path)
