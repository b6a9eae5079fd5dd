"""The record of one call, filled in as the call proceeds."""

import asyncio
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from grpc import StatusCode

from tokenwire.core.attempts import Exchange
from tokenwire.core.call_deadline import Watchdog
from tokenwire.core.domain import Completion
from tokenwire.server import accept_probe


@dataclass(slots=True)
class Call:
    """What is known of one call.

    Times are readings of `time.monotonic`, in seconds; 0 means not yet.

    Attributes:
        request_id: The caller's `x-request-id`, or one of ours.
        method: The full method name.
        peer: The caller's address.
        watchdog: Ends the call when something takes too long.
        exchange: What happened between the service and its upstream.
        model: The model asked for, or empty before the request is understood.
        started: When the call began.
        accept_wait: Seconds that it waited in gRPC before that.
        queued: Seconds that it waited for a place; 0 if one was free.
        first_token: When the first text came.
        last_token: When the latest text came.
        tokens: Upstream events with text so far.
        answers_sent: Answers handed to gRPC; the last may still wait for the caller.
        first_write: The write of the first Answer, which goes on when the call ends within
            it: gRPC sends the headers with it, and can send no status before they are gone.
        last_write: The write of the last Answer of a whole answer. It too goes on when the
            call ends within it, which the caller's slowness alone cannot make a failure.
        completion: The end of a whole answer.
        code: The status the call ended with.
        reason: Why it ended so; the code's name where there is no more to say.
        ended: When the call ended.
        trace_id: Id of its trace in hexadecimal, if its span is recorded.
    """

    request_id: str
    method: str
    peer: str
    watchdog: Watchdog
    exchange: Exchange = field(default_factory=Exchange)
    model: str = ""
    started: float = field(default_factory=time.monotonic)
    accept_wait: float = field(default_factory=accept_probe.waited.get)
    queued: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    tokens: int = 0
    answers_sent: int = 0
    first_write: asyncio.Future[None] | None = None
    last_write: asyncio.Future[None] | None = None
    completion: Completion | None = None
    code: StatusCode | None = None
    reason: str = ""
    ended: float = 0.0
    trace_id: str = ""

    def received(self, tokens: int) -> None:
        """Note text made of `tokens` upstream events."""
        now = time.monotonic()
        if not self.first_token:
            self.first_token = now
            self.exchange.begun = True
        self.last_token = now
        self.tokens += tokens


current: ContextVar[Call] = ContextVar("call")
"""The call that the running task serves."""
