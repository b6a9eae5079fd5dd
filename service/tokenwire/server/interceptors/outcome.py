"""Determines a call's status, completes its record and notifies the observers.

The record is completed before the status is sent, because a caller that does not read can delay
the status indefinitely.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

import grpc

from tokenwire.api.codes import code_of
from tokenwire.api.endpoint import Endpoint
from tokenwire.api.status import extra_trailers, to_status, without_retry
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import (
    InternalError,
    InvalidField,
    LimitReached,
    ServerShuttingDown,
    ServiceError,
    clear_references,
)
from tokenwire.observability.logs.exceptions import frames_of
from tokenwire.server import client_deadline
from tokenwire.server.interceptors.base import CallHandler, Context
from tokenwire.server.load_meter import LoadMeter
from tokenwire.server.request_id import REQUEST_ID

BUG_EXCEPTIONS: Final = (Exception, BaseExceptionGroup, asyncio.CancelledError, SystemExit)
"""Exceptions that indicate a bug. If they reached gRPC, some would expose their text to the caller,
some would end the call without a status, and SystemExit would end the process."""

MAX_REFUSE_SECONDS: Final = 0.3
MAX_REFUSE_BACKLOG_SECONDS: Final = 5.0
"""The longest time for which new calls are rejected before the listener closes; the second value
applies while calls wait in gRPC. The first is shorter than the waits of a client that tries a call
three times with gRPC's usual backoff, which may meet this server each time."""
QUIET_SECONDS: Final = 0.1
"""The time without a new call after which no call is assumed to wait in gRPC."""
QUIET_SLEEPS: Final = 5
"""The number of sleeps into which QUIET_SECONDS is divided. A waiting call would be accepted in one
of the event-loop iterations in between."""

Observer: TypeAlias = Callable[[CallRecord], None]

log = logging.getLogger(__name__)


class OutcomeInterceptor:
    """Completes the record of every call, and converts every failure to a status.

    Args:
        on_start: Called with the record of each call that begins.
        observers: Called in order with the record of each call that ends.
        load: Counts the calls that begin, and makes their load reports; None if there are none.
    """

    def __init__(
        self, on_start: Observer, observers: Iterable[Observer], load: LoadMeter | None = None
    ) -> None:
        self._load = load
        self._on_start = on_start
        self._observers = tuple(observers)
        self._running: set[CallDeadline] = set()
        self._refusing = False
        self._refused = 0

    def wrap(self, endpoint: Endpoint, next_handler: CallHandler) -> CallHandler:
        """Return a handler that runs `next_handler` and determines the call's outcome."""
        return partial(self._intercept, endpoint, next_handler)

    async def _intercept(
        self,
        endpoint: Endpoint,
        next_handler: CallHandler,
        call: CallRecord,
        request: object,
        context: Context,
    ) -> None:
        """Run the call, complete its record, and send the status of a failure."""
        deadline = call.deadline
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        self._begin(call)
        self._running.add(deadline)
        failure: ServiceError | None = None
        try:
            with deadline:
                if self._refusing:
                    self._refused += 1
                    raise ServerShuttingDown
                if isinstance(request, ServiceError):
                    # Reading the request failed.
                    raise request
                await next_handler(call, request, context)
        except ServiceError as error:
            failure = error
            clear_references(failure)
        except BUG_EXCEPTIONS as error:
            if _is_cancelled(call, error):
                # gRPC cancels the handler when the caller cancels and when its deadline passes.
                self._complete(call, _cancellation_code(call, context))
                raise asyncio.CancelledError from None
            failure = InternalError()
            _log_bug(call, error)
        finally:
            self._running.discard(deadline)
        if failure is None:
            self._complete(call, grpc.StatusCode.OK)
            # gRPC sends the status when this function returns, so the last Answer must be sent.
            if call.last_write and not call.last_write.done():
                await asyncio.wait((call.last_write,))
            self._add_load(call, context)
            # Breaks a reference cycle: the tasks' context refers to the call.
            call.first_write = call.last_write = None
        else:
            try:
                await self._fail(failure, endpoint, call, context)
            except grpc.aio.InternalError:
                # The caller disconnected before it received the status.
                raise asyncio.CancelledError from None

    async def _fail(
        self, failure: ServiceError, endpoint: Endpoint, call: CallRecord, context: Context
    ) -> None:
        """Complete the record of a failed call, and send its status."""
        begun = call.attempts.received or call.tokens > 0
        code = code_of(type(failure), begun=begun)
        late = endpoint.late_error if call.answers_sent and not call.deadline.writing else None
        # Counted before the write, like every Answer.
        call.answers_sent += late is not None
        if isinstance(failure, LimitReached):
            call.limit = failure.limit
        self._complete(call, code, failure.reason)
        if call.first_write and not call.first_write.done():
            await call.first_write
        if late:
            # For clients of the original contract, which ignore the status.
            await context.write(late(failure.reason, call))
        field_name = call.field_name or endpoint.field_name
        if field_name and isinstance(failure, InvalidField):
            failure.field = field_name(failure.field)
        extra = extra_trailers(failure)
        if endpoint.clients_retry and code is grpc.StatusCode.UNAVAILABLE:
            extra = extra or without_retry(failure)
        status = to_status(failure, code, call.request_id)
        request_id = ((REQUEST_ID, call.request_id),)
        load = self._load.trailers() if self._load else ()
        trailers = (*(status.trailing_metadata or ()), *extra, *request_id, *load)
        await context.abort(status.code, status.details, trailers)

    async def reject_new_calls(self, has_backlog: Callable[[], bool]) -> None:
        """Reject new calls with ServerShuttingDown; return when none has arrived for QUIET_SECONDS.

        gRPC passes a few calls at a time to the server, and cancels those that still wait when the
        listener closes. Clients do not retry a cancelled call.

        Args:
            has_backlog: Reports whether calls are waiting in gRPC.
        """
        self._refusing = True
        started = time.monotonic()
        refused = -1
        while refused < self._refused:
            limit = MAX_REFUSE_BACKLOG_SECONDS if has_backlog() else MAX_REFUSE_SECONDS
            if time.monotonic() - started > limit:
                return
            refused = self._refused
            for _ in range(QUIET_SLEEPS):
                await asyncio.sleep(QUIET_SECONDS / QUIET_SLEEPS)

    def end_all(self) -> None:
        """End every current and future call with ServerShuttingDown."""
        self._refusing = True
        for deadline in tuple(self._running):
            deadline.interrupt(ServerShuttingDown)

    def _begin(self, call: CallRecord) -> None:
        _notify((self._on_start,), call)
        if self._load:
            self._load.start()

    def _add_load(self, call: CallRecord, context: Context) -> None:
        """Add the load report to the trailing metadata of a call that succeeds."""
        if self._load:
            request_id = (REQUEST_ID, call.request_id)
            context.set_trailing_metadata((request_id, *self._load.trailers()))

    def _complete(self, call: CallRecord, code: grpc.StatusCode, reason: str = "") -> None:
        call.ended = time.monotonic()
        call.status = code.name
        call.reason = reason or code.name
        _notify(self._observers, call)


def _notify(observers: Iterable[Observer], call: CallRecord) -> None:
    for observe in observers:
        try:
            observe(call)
        except Exception as error:  # noqa: BLE001 - a failing observer must not fail the call
            _log_bug(call, error)


def _is_cancelled(call: CallRecord, error: BaseException) -> bool:
    """Report whether gRPC cancelled the call, as opposed to a stray CancelledError."""
    if isinstance(error, grpc.aio.InternalError) and call.deadline.writing:
        # The caller disconnected: the write fails before gRPC cancels the task.
        return True
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _cancellation_code(call: CallRecord, context: Context) -> grpc.StatusCode:
    """Return DEADLINE_EXCEEDED if the caller's deadline passed, or else CANCELLED."""
    left: float | None = context.time_remaining()
    if left is None:
        return grpc.StatusCode.CANCELLED
    total = left + time.monotonic() - call.started
    metadata = context.invocation_metadata() or ()
    user_agent = next((str(value) for key, value in metadata if key == "user-agent"), "")
    if client_deadline.deadline_passed(left, total, user_agent):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


def _log_bug(call: CallRecord, error: BaseException) -> None:
    """Log the exception's type and frames, without values, which may contain a prompt."""
    extra = {
        "request_id": call.request_id,
        "exception": type(error).__qualname__,
        "frames": frames_of(error),
    }
    log.error("bug in handler", extra=extra)
