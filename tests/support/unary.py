"""Unary calls that fail, and literal responses to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import pytest

from support.app import MODEL, Stub
from support.helpers import reason_of
from support.raw_upstream import Piece, RawUpstream, raw_upstream
from tokenwire import config
from tokenwire.app import App
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2_grpc

Ending: TypeAlias = tuple[str, str]
"""The code and the reason of a failure."""


async def error_of(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """Return the error of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def ending_of(call: Awaitable[Any]) -> Ending:
    """Return the code and the reason of a call that fails."""
    error = await error_of(call)
    return error.code().name, reason_of(error)


def json_response(*body: Piece, length: int | None = None) -> list[Piece]:
    """Return the pieces of a response; without a length, its body ends with the connection."""
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
    head += "" if length is None else f"content-length: {length}\r\n"
    return [f"{head}\r\n".encode(), *body]


class RawServer:
    """A server with a full retry budget before an upstream that plays literal responses.

    Attributes:
        app: The server.
        channel: A channel to the server.
        stub: A client of the server.
        upstream: The upstream.
    """

    def __init__(self, app: App, channel: grpc.aio.Channel, upstream: RawUpstream) -> None:
        self.app = app
        self.channel = channel
        self.stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        self.upstream = upstream

    def play(self, pieces: Iterable[Piece]) -> None:
        """Play a response to each of the next requests."""
        self.upstream.pieces = pieces

    def save_up(self) -> None:
        """Fill the retry budget."""
        model: Any = self.app.components.model
        for _ in range(RETRY_COST):
            model._budget.deposit()


@asynccontextmanager
async def raw_server(**settings: Any) -> AsyncIterator[RawServer]:
    """Start a server and its upstream."""
    async with raw_upstream() as upstream:
        upstream.keep_body = True
        values = {
            "base_url": upstream.base_url,
            "model": MODEL,
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
        }
        async with (
            App(config.load(**(values | settings))) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            yield RawServer(app, channel, upstream)


def never() -> asyncio.Event:
    """Return a piece that waits for ever."""
    return asyncio.Event()
