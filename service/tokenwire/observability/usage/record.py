"""The usage record of a call. docs/usage.md describes its fields."""

import datetime as dt
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from tokenwire.core.attempts import ONLY_UPSTREAM
from tokenwire.core.call_record import CallRecord
from tokenwire.core.spending import spent

VERSION: Final = 1
"""The version of the fields. It stays the same when a field is added."""


class UsageRecord(msgspec.Struct, frozen=True):
    """What a call used.

    Attributes:
        version: VERSION.
        id: The id of the record; a record that is written twice has the same one.
        time: When the call ended.
        request_id: The caller's `x-request-id`, or a generated one.
        caller: The caller's name in the gateway file; None if everyone may call.
        method: The method that was called.
        model: The requested model; None if the call failed before it was known.
        upstream: The upstream of the latest request, by its name in the gateway file.
        status: The name of the gRPC status code.
        reason: Why the call ended.
        input_tokens: The tokens of the prompt, cached ones included.
        cached_input_tokens: Those that the upstream read from its cache.
        output_tokens: The tokens of the answer, reasoning included.
        reasoning_tokens: Those that are reasoning.
        estimated: Whether a part of the tokens is estimated.
        cost_nanodollars: The price of the tokens; None if the model has no price.
        seconds: The duration of the call.
        attempts: The number of requests to upstreams.
        labels: The labels of the request.
    """

    version: int
    id: str
    time: dt.datetime
    request_id: str
    caller: str | None
    method: str
    model: str | None
    upstream: str | None
    status: str
    reason: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_nanodollars: int | None
    seconds: float
    attempts: int
    labels: Mapping[str, str]


def usage_record(call: CallRecord, record_id: str) -> UsageRecord:
    """Return the record of a call that has just ended."""
    usage, estimated = spent(call)
    attempts = call.attempts
    return UsageRecord(
        version=VERSION,
        id=record_id,
        time=dt.datetime.fromtimestamp(time.time(), dt.UTC),
        request_id=call.request_id,
        caller=call.caller.name if call.caller else None,
        method=call.method.name,
        model=call.model or None,
        upstream=None if attempts.upstream == ONLY_UPSTREAM else attempts.upstream,
        status=call.status,
        reason=call.reason,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=estimated,
        cost_nanodollars=call.price.nanodollars(usage) if call.price else None,
        seconds=round(call.ended - call.started, 6),
        attempts=attempts.count if attempts.first_sent else 0,
        labels=call.labels,
    )
