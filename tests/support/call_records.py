"""Records of calls that no server makes."""

import asyncio
import math

from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import Method, MethodType

METHOD = Method("tests.Service", "Method", MethodType.SERVER_STREAM)


def new_call(seconds: float = math.inf) -> CallRecord:
    """Return the record of a call that asks a model now, and whose caller waits so long."""
    now = asyncio.get_running_loop().time()
    call = CallRecord("id-1", METHOD, "", CallDeadline(), callers_deadline=now + seconds)
    call.attempts.started = now
    return call
