"""The record of one call, filled in as the call proceeds."""

import asyncio
import math
import time
from dataclasses import dataclass, field

from tokenwire.core.attempts import Attempts
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.domain import Completion, Delta
from tokenwire.core.method import Method


@dataclass(slots=True)
class CallRecord:
    """What is known of one call.

    Times are readings of `time.monotonic`, in seconds; 0 means not yet.

    Attributes:
        request_id: The caller's `x-request-id`, or one of ours.
        method: What was called.
        peer: The caller's address.
        deadline: Ends the call when something takes too long.
        callers_deadline: When the caller's own deadline passes, by the event loop's clock.
        attempts: What happened between the service and its upstreams.
        model: The model asked for, or empty before the request is understood.
        started: When the call began.
        accept_wait: Seconds that it waited in gRPC before that.
        queued: Seconds that it waited for a slot; 0 if one was free.
        first_token: When the first text came.
        last_token: When the latest text came.
        tokens: Upstream events with text so far.
        answers_sent: Answers handed to gRPC; the last may still wait for the caller.
        first_write: The write of the first Answer, which goes on when the call ends within
            it: gRPC sends the headers with it, and can send no status before they are gone.
        last_write: The write of the last Answer of a whole answer. It too goes on when the
            call ends within it, which the caller's slowness alone cannot make a failure.
        texts: All text so far, if spans hold what was said; else None.
        completion: The end of a whole answer.
        status: Name of the gRPC status code that the call ended with; empty until then.
        reason: Why it ended so; the status again where there is no more to say.
        ended: When the call ended.
        trace_id: Id of its trace in hexadecimal, if its span is recorded.
    """

    request_id: str
    method: Method
    peer: str
    deadline: CallDeadline
    callers_deadline: float = math.inf
    attempts: Attempts = field(default_factory=Attempts)
    model: str = ""
    started: float = field(default_factory=time.monotonic)
    accept_wait: float = 0.0
    queued: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    tokens: int = 0
    answers_sent: int = 0
    first_write: asyncio.Future[None] | None = None
    last_write: asyncio.Future[None] | None = None
    texts: list[str] | None = None
    completion: Completion | None = None
    status: str = ""
    reason: str = ""
    ended: float = 0.0
    trace_id: str = ""

    def received(self, delta: Delta) -> None:
        """Note text that has come from the upstream."""
        now = time.monotonic()
        if not self.first_token:
            self.first_token = now
        self.last_token = now
        self.tokens += delta.tokens
        if self.texts is not None:
            self.texts.append(delta.text)
