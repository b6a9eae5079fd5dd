"""grpc.aio's server, without the error that lets one request end it.

grpc.aio decodes the name of a method that it does not know as UTF-8, outside of any
call: a name that is not UTF-8 ends the loop that takes calls, and with it the server.
Known methods are registered with gRPC's core, which compares their names itself. So
a call that the core cannot assign to one of them needs no name to be refused.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server

from tokenwire.server.options import Options

_core: Any = cygrpc
"""For what its published types lack."""
NO_METHOD: Final = ""


def make_server(options: Options) -> grpc.aio.Server:
    """Return a server of registered methods alone; generic handlers get no calls.

    Args:
        options: As for `grpc.aio.server`.
    """
    server: Any = _Server(options)
    made: grpc.aio.Server = server
    return made


class _Server(_server.Server):
    """grpc.aio's server with another core."""

    def __init__(self, options: Options) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = _Core(self._loop, None, (), (), tuple(options), None)


class _Core(_core.AioServer):  # type: ignore[misc] # it has no type
    """The part of grpc.aio's server that takes calls."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._running_loop = asyncio.get_running_loop()
        self._no_methods = _core._MethodResolver([], {})  # noqa: SLF001 - grpc.aio's own way to refuse
        self._refusals: set[asyncio.Task[None]] = set()

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[object]:
        """Return a future of the next call of a method; without one, of none."""
        if method is None:
            return self._running_loop.create_task(self._refuse_unknown())
        future: asyncio.Future[object] = super()._make_request_call_future(method)
        return future

    async def _refuse_unknown(self) -> None:
        """End each call of an unknown method with UNIMPLEMENTED, until the server stops."""
        while True:
            call = await self._request_call()
            refusal = self._running_loop.create_task(self._refuse(call))
            self._refusals.add(refusal)
            refusal.add_done_callback(self._refusals.discard)

    async def _refuse(self, call: object) -> None:
        loop = self._running_loop
        handling = _core._handle_rpc(NO_METHOD, self._no_methods, (), call, loop, False)  # noqa: FBT003, SLF001 - the same
        await _core._schedule_rpc_coro(handling, call, loop, NO_METHOD)  # noqa: SLF001 - the same
