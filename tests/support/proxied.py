"""A server behind Envoy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from support.app import StartApp, Stub
from support.envoy import Envoy, envoy
from support.waiting import within
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc

SEND = {
    "grpc_type": "server_stream",
    "grpc_service": "openai.Chatgpt",
    "grpc_method": "Send",
}


@dataclass(frozen=True)
class Proxied:
    """A server behind Envoy.

    Attributes:
        app: The server.
        proxy: Envoy.
        stub: A client of Envoy.
        direct: A client of the server.
    """

    app: App
    proxy: Envoy
    stub: Stub
    direct: Stub

    async def handled(self, code: str, calls: int) -> None:
        """Wait until the server has ended calls with a code."""
        labels = {**SEND, "grpc_code": code}
        metrics = self.app.metrics.registry
        await within(
            20,
            f"{code} was handled",
            lambda: (metrics.get_sample_value("grpc_server_handled_total", labels) or 0) >= calls,
        )


@asynccontextmanager
async def proxied(
    start_app: StartApp, folder: Path, *, settings: Any = None, **changes: dict[str, Any]
) -> AsyncIterator[Proxied]:
    """Start a server with `settings` and an Envoy with `changes` before it."""
    app = await start_app(**(settings or {}))
    async with (
        envoy(folder, app.address, **changes) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
        grpc.aio.insecure_channel(app.address) as straight,
    ):
        yield Proxied(
            app,
            proxy,
            chatgpt_pb2_grpc.ChatgptStub(channel),
            chatgpt_pb2_grpc.ChatgptStub(straight),
        )
