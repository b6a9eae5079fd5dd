"""grpc.aio's server with a fix for a bug through which one request can stop it.

grpc.aio decodes the name of an unregistered method as UTF-8 outside of any call. A name that is
not valid UTF-8 ends the loop that accepts calls, and with it the server. gRPC's core matches the
names of registered methods itself, so every call that it cannot match is rejected here without
reading the name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, NoReturn

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server

from tokenwire.server.options import Options

log = logging.getLogger(__name__)

_core: Any = cygrpc
"""Untyped, because the type stubs lack the members that are used here."""
NO_METHOD: Final = ""


def make_server(options: Options, on_failed: Callable[[], None]) -> grpc.aio.Server:
    """Return a server that serves registered methods only; generic handlers receive no calls.

    Args:
        options: See `grpc.aio.server`.
        on_failed: Called if an internal error keeps the server from accepting calls. The calls
            that it has accepted go on.
    """
    server: Any = _Server(options, on_failed)
    made: grpc.aio.Server = server
    return made


class _Server(_server.Server):
    """grpc.aio's server over `_Core`."""

    def __init__(self, options: Options, on_failed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = _Core(on_failed, self._loop, None, (), (), tuple(options), None)


class _Core(_core.AioServer):  # type: ignore[misc] # it has no type
    """The part of grpc.aio's server that accepts calls.

    Args:
        on_failed: See `make_server`.
        arguments: See `cygrpc.AioServer`.
    """

    def __init__(self, on_failed: Callable[[], None], *arguments: Any) -> None:
        super().__init__(*arguments)
        self._on_failed = on_failed
        self._running_loop = asyncio.get_running_loop()
        self._no_methods = _core._MethodResolver([], {})  # noqa: SLF001 - grpc.aio's own way to refuse
        self._refusals: set[asyncio.Task[None]] = set()

    async def _server_main_loop(self, started: asyncio.Future[bool]) -> None:
        try:
            await super()._server_main_loop(started)
        except Exception:
            # grpc.aio logs it.
            self._on_failed()
            raise

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[object]:
        """Return a task that ends with the next call of `method`; None is all unknown methods."""
        return self._running_loop.create_task(self._next_call(method))

    async def _next_call(self, method: bytes | None) -> object:
        """Return the next call of `method`; reject all calls of unknown methods."""
        try:
            if method is None:
                return await self._refuse_unknown()
            return await self._request_registered_call(method)
        except _core._RequestCallError:  # noqa: SLF001 - the server is stopping
            raise
        except Exception:
            # It must not reach grpc.aio's main loop, which would cancel the requests for the next
            # calls. gRPC's core writes into their memory, also after they are gone.
            log.exception("gRPC accepts no more calls of a method")
            self._on_failed()
            return await asyncio.Event().wait()

    async def _refuse_unknown(self) -> NoReturn:
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
