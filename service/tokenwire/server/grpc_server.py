"""grpc.aio's server, accepting several calls at a time, and safe from undecodable method names.

grpc.aio decodes the name of an unregistered method as UTF-8 outside of any call. A name that is
not valid UTF-8 ends the loop that accepts calls, and with it the server. gRPC's core matches the
names of registered methods itself, so every call that it cannot match is rejected here without
reading the name.

grpc.aio asks its core for one call of a method, and for the next one several iterations of the
event loop later. In a crowd each iteration is long, because it writes for all streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server

from tokenwire.server.options import Options
from tokenwire.server.undelivered import CALL_TASK

log = logging.getLogger(__name__)

_core: Any = cygrpc
"""Untyped, because the type stubs lack the members that are used here."""
NO_METHOD: Final = ""
OUTSTANDING: Final = 32
"""The calls of one method that the server asks gRPC's core for at the same time."""


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
        # A resolver of no methods is grpc.aio's own way to refuse a call.
        self._no_methods = _core._MethodResolver([], {})  # noqa: SLF001 - as above
        self._handlers: dict[str, object] = {}
        self._methods = _core._MethodResolver([], self._handlers)  # noqa: SLF001 - as in grpc.aio
        self._calls: set[asyncio.Task[None]] = set()

    def add_registered_method_handlers(self, method_handlers: dict[str, object]) -> None:
        super().add_registered_method_handlers(method_handlers)
        self._handlers.update(method_handlers)

    async def _server_main_loop(self, started: asyncio.Future[bool]) -> None:
        try:
            await super()._server_main_loop(started)
        except Exception:
            # grpc.aio logs it.
            self._on_failed()
            raise

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[None]:
        """Return a task that accepts all calls of `method`; None is all unknown methods.

        grpc.aio's main loop expects one call of it. It ends only when the server stops.
        """
        return self._running_loop.create_task(self._accept(method))

    async def _accept(self, method: bytes | None) -> None:
        count = 1 if method is None else OUTSTANDING
        await asyncio.gather(*(self._accept_one_by_one(method) for _ in range(count)))
        # How grpc.aio's main loop learns that there is no call because the server stops.
        raise _core._RequestCallError  # noqa: SLF001 - as above

    async def _accept_one_by_one(self, method: bytes | None) -> None:
        try:
            while self.is_running():
                try:
                    # No variable refers to the call: its stream is reset when it is freed.
                    if method is None:
                        self._begin(await self._request_call(), NO_METHOD, self._no_methods)
                    else:
                        coming = self._request_registered_call(method)
                        self._begin(await coming, method.decode(), self._methods)
                except _core._RequestCallError:  # noqa: SLF001 - a client left, or the server stops
                    continue
        except Exception:
            # It must not reach grpc.aio's main loop, which would cancel the requests for the next
            # calls. gRPC's core writes into their memory, also after they are gone.
            log.exception("gRPC accepts no more calls of a method")
            self._on_failed()
            await asyncio.Event().wait()

    def _begin(self, call: object, name: str, methods: object) -> None:
        """Handle a call in a task of its own, as grpc.aio's main loop does."""
        loop = self._running_loop
        handling = _core._handle_rpc(name, methods, (), call, loop, False)  # noqa: FBT003, SLF001 - as in grpc.aio
        owning = _core._schedule_rpc_coro(handling, call, loop, name)  # noqa: SLF001 - as in grpc.aio
        task = loop.create_task(owning, name=CALL_TASK)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
