"""Call records without a server."""

import asyncio
import math

from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import Method, MethodType

METHOD = Method("tests.Service", "Method", MethodType.SERVER_STREAM)


def new_call(seconds: float = math.inf) -> CallRecord:
    """Return a record of a call that began now, with a deadline in `seconds`."""
    now = asyncio.get_running_loop().time()
    call = CallRecord("id-1", METHOD, "", CallDeadline(), callers_deadline=now + seconds)
    call.attempts.started = now
    return call


def ended_call(status: str, reason: str = "", *, asked: bool = True) -> CallRecord:
    """Return a record of a call that has ended.

    Args:
        status: The name of its status.
        reason: The reason of its failure, if it failed.
        asked: Whether the upstream was asked.
    """
    call = new_call()
    call.status, call.reason = status, reason or status
    call.attempts.started *= asked
    return call
