"""How a call ends: its status, its record, and who is told.

The record is closed before the status is sent, because sending to a caller who
does not read can take as long as that caller likes.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

import grpc
from google.protobuf.message import Message

from tokenwire.api.codes import code_of
from tokenwire.api.endpoint import Endpoint
from tokenwire.api.status import extra_trailers, to_status
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import InternalError, ServerShuttingDown, ServiceError, clear_references
from tokenwire.observability.logs import frames_of
from tokenwire.server import cancellation
from tokenwire.server.interceptors.base import Context, Proceed
from tokenwire.server.request_id import REQUEST_ID

BUGS: Final = (Exception, BaseExceptionGroup, asyncio.CancelledError, SystemExit)
"""What a handler may raise by mistake. gRPC would show the text of some, leave the
caller of others without a status, and end the process with SystemExit."""

REFUSING_SECONDS: Final = 1.0
REFUSING_CROWD_SECONDS: Final = 5.0
"""How long new calls are turned away before the listener closes, at most; longer while calls wait
in gRPC."""
QUIET_SECONDS: Final = 0.1
QUIET_ROUNDS: Final = 5
"""Of the event loop, in which gRPC would have handed over a call if one had waited."""

Observer: TypeAlias = Callable[[CallRecord], None]
LateError: TypeAlias = Callable[[str], Message]

log = logging.getLogger(__name__)


class OutcomeInterceptor:
    """Closes the record of every call, and gives every failure its status.

    Args:
        on_start: Called with each call that begins.
        observers: Called with each ended call, in order.
    """

    def __init__(self, on_start: Observer, observers: Iterable[Observer]) -> None:
        self._on_start = on_start
        self._observers = tuple(observers)
        self._running: set[CallDeadline] = set()
        self._refusing = False
        self._refused = 0

    def wrap(self, endpoint: Endpoint, proceed: Proceed) -> Proceed:
        """Return `proceed` for a record that is closed in the end."""
        return partial(self._around, endpoint.late_error, proceed)

    async def _around(
        self,
        late_error: LateError | None,
        proceed: Proceed,
        call: CallRecord,
        request: object,
        context: Context,
    ) -> None:
        """Run the call, close its record, and send the status of a failure."""
        deadline = call.deadline
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        _tell((self._on_start,), call)
        self._running.add(deadline)
        failure: ServiceError | None = None
        try:
            with deadline:
                if self._refusing:
                    self._refused += 1
                    raise ServerShuttingDown
                if isinstance(request, ServiceError):
                    # There is no request, for this reason.
                    raise request
                await proceed(call, request, context)
        except ServiceError as error:
            failure = error
            clear_references(failure)
        except BUGS as error:
            if _is_cancelled(call, error):
                # gRPC cancels the handler both when the caller leaves and when its time is up.
                self._close(call, _why_cancelled(call, context))
                raise asyncio.CancelledError from None
            failure = InternalError()
            _log_bug(call, error)
        finally:
            self._running.discard(deadline)
        if failure is None:
            self._close(call, grpc.StatusCode.OK)
            # gRPC sends the status once this returns; the last Answer goes first.
            if call.last_write and not call.last_write.done():
                await asyncio.wait((call.last_write,))
            # A task's context refers to the call that refers to the task.
            call.first_write = call.last_write = None
        else:
            code = code_of(type(failure), call.answers_sent)
            late = late_error if call.answers_sent and not deadline.writing else None
            # Counted first, as every Answer is.
            call.answers_sent += late is not None
            self._close(call, code, failure.reason)
            try:
                await _send(failure, code, late, call, context)
            except grpc.aio.InternalError:
                # The caller has left without waiting for it.
                raise asyncio.CancelledError from None

    async def refuse(self, crowded: Callable[[], bool]) -> None:
        """Turn away new calls because this process stops; return once none have come for a while.

        gRPC hands over one call at a time. Those still waiting when it closes its
        listener would be cancelled, which no caller takes for a reason to try again.

        Args:
            crowded: Tells whether calls wait in gRPC.
        """
        self._refusing = True
        begun = time.monotonic()
        refused = -1
        while refused < self._refused:
            most = REFUSING_CROWD_SECONDS if crowded() else REFUSING_SECONDS
            if time.monotonic() - begun > most:
                return
            refused = self._refused
            for _ in range(QUIET_ROUNDS):
                await asyncio.sleep(QUIET_SECONDS / QUIET_ROUNDS)

    def end_all(self) -> None:
        """End every call, running or yet to come, because this process stops."""
        self._refusing = True
        for deadline in tuple(self._running):
            deadline.interrupt(ServerShuttingDown)

    def _close(self, call: CallRecord, code: grpc.StatusCode, reason: str = "") -> None:
        call.ended = time.monotonic()
        call.status = code.name
        call.reason = reason or code.name
        _tell(self._observers, call)


def _tell(observers: Iterable[Observer], call: CallRecord) -> None:
    for observe in observers:
        try:
            observe(call)
        except Exception as error:  # noqa: BLE001 - what is wrong here is not wrong with the call
            _log_bug(call, error)


def _is_cancelled(call: CallRecord, error: BaseException) -> bool:
    """Tell a cancellation of this call from one that only got loose within it."""
    if isinstance(error, grpc.aio.InternalError) and call.deadline.writing:
        # When the caller leaves, a write under way fails before gRPC cancels the task.
        return True
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _send(
    failure: ServiceError,
    code: grpc.StatusCode,
    late_error: LateError | None,
    call: CallRecord,
    context: Context,
) -> None:
    if call.first_write and not call.first_write.done():
        await call.first_write
    if late_error:
        # For clients of the original contract, which read only messages.
        await context.write(late_error(failure.reason))
    status = to_status(failure, code, call.request_id)
    request_id = ((REQUEST_ID, call.request_id),)
    trailers = (*(status.trailing_metadata or ()), *extra_trailers(failure), *request_id)
    await context.abort(status.code, status.details, trailers)


def _why_cancelled(call: CallRecord, context: Context) -> grpc.StatusCode:
    """Tell a caller that cancelled from one whose deadline has passed."""
    left: float | None = context.time_remaining()
    if left is None:
        return grpc.StatusCode.CANCELLED
    total = left + time.monotonic() - call.started
    metadata = context.invocation_metadata() or ()
    user_agent = next((str(value) for key, value in metadata if key == "user-agent"), "")
    if cancellation.has_passed(left, total, user_agent):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED


def _log_bug(call: CallRecord, error: BaseException) -> None:
    """Log where a bug is: types and lines, but no values, which may hold a prompt."""
    extra = {
        "request_id": call.request_id,
        "exception": type(error).__qualname__,
        "frames": frames_of(error),
    }
    log.error("bug in handler", extra=extra)
