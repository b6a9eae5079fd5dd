"""grpc.aio's server with a fix for a bug through which one request can stop it.

grpc.aio decodes the name of an unregistered method as UTF-8 outside of any call. A name that is
not valid UTF-8 ends the loop that accepts calls, and with it the server. gRPC's core matches the
names of registered methods itself, so every call that it cannot match is rejected here without
reading the name.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server

from tokenwire.server.options import Options

_core: Any = cygrpc
"""Untyped, because the type stubs lack the members that are used here."""
NO_METHOD: Final = ""


def make_server(options: Options) -> grpc.aio.Server:
    """Return a server that serves registered methods only; generic handlers receive no calls.

    Args:
        options: See `grpc.aio.server`.
    """
    server: Any = _Server(options)
    made: grpc.aio.Server = server
    return made


class _Server(_server.Server):
    """grpc.aio's server over `_Core`."""

    def __init__(self, options: Options) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = _Core(self._loop, None, (), (), tuple(options), None)


class _Core(_core.AioServer):  # type: ignore[misc] # it has no type
    """The part of grpc.aio's server that accepts calls."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._running_loop = asyncio.get_running_loop()
        self._no_methods = _core._MethodResolver([], {})  # noqa: SLF001 - grpc.aio's own way to refuse
        self._refusals: set[asyncio.Task[None]] = set()

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[object]:
        """Return a future of the next call of `method`, or a task that rejects unknown methods."""
        if method is None:
            return self._running_loop.create_task(self._refuse_unknown())
        future: asyncio.Future[object] = super()._make_request_call_future(method)
        return future

    async def _refuse_unknown(self) -> None:
        """End every call of an unknown method with UNIMPLEMENTED, until the server stops."""
        while True:
            call = await self._request_call()
            refusal = self._running_loop.create_task(self._refuse(call))
            self._refusals.add(refusal)
            refusal.add_done_callback(self._refusals.discard)

    async def _refuse(self, call: object) -> None:
        loop = self._running_loop
        handling = _core._handle_rpc(NO_METHOD, self._no_methods, (), call, loop, False)  # noqa: FBT003, SLF001 - as above
        await _core._schedule_rpc_coro(handling, call, loop, NO_METHOD)  # noqa: SLF001 - as above
