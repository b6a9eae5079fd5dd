"""Opens the record of each call and hands it out when the call has ended."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Final

import grpc

from tokenwire import calls
from tokenwire.calls import Call
from tokenwire.interceptors.base import Behaviour, Context, Interceptor

REQUEST_ID: Final = "x-request-id"
ACCEPTED_REQUEST_ID: Final = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)

Observer = Callable[[Call], None]


class RecordInterceptor(Interceptor):
    """Keeps the call's record and tells its observers how the call ended.

    Args:
        on_start: Called with each call that begins.
        observers: Called with each ended call, in order; they must not raise.
    """

    def __init__(self, on_start: Observer, observers: Iterable[Observer]) -> None:
        self._on_start = on_start
        self._observers = tuple(observers)

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Run the call and find out how it ended."""
        call = Call(_request_id(context), method, context.peer())
        calls.current.set(call)
        self._on_start(call)
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        try:
            await proceed(request, context)
            call.code = grpc.StatusCode.OK
        except asyncio.CancelledError:
            # gRPC cancels the handler both when the caller leaves and when its time is up.
            call.code = _why_cancelled(context)
            call.reason = call.code.name
            raise
        except grpc.aio.AbortError:
            call.code = context.code()
            raise
        finally:
            call.ended = time.monotonic()
            for observe in self._observers:
                observe(call)


def _why_cancelled(context: Context) -> grpc.StatusCode:
    remaining: float | None = context.time_remaining()
    if remaining is not None and remaining <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


def _request_id(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and ACCEPTED_REQUEST_ID.fullmatch(str(value)):
            return str(value)
    return uuid.uuid4().hex
