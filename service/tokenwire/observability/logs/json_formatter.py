"""Formats log records as JSON objects, one per line."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from opentelemetry import trace

from tokenwire.observability.logs.exceptions import exception_fields

OWN_ATTRIBUTES: Final = frozenset(
    {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime"}
)
"""The attributes that logging itself gives a record; all others are its fields."""

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of ASCII.

    The members are `event`, `level` and `logger`, the record's fields, `timestamp`, the ids of the
    current span, and the parts of an exception that `exception_fields` returns.

    It takes a fifth of the time of structlog's formatter, which matters for a line at each call.

    Args:
        worker: The worker's number, which becomes a member of each line; None for no member.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line feed."""
        members: dict[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        members |= {
            name: value for name, value in vars(record).items() if name not in OWN_ATTRIBUTES
        }
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        members["timestamp"] = time.removesuffix("+00:00") + "Z"
        members |= trace_fields() | exception_fields(record.exc_info)
        if self._worker is not None:
            members["worker"] = self._worker
        return _to_ascii(members)


def trace_fields() -> dict[str, str]:
    """Return the ids of the current span; nothing if there is none."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


def _to_ascii(members: dict[str, Any]) -> str:
    """Return a JSON object whose strings have escapes for all that is not ASCII.

    Terminals interpret some other characters as commands. Separators are followed by a space, as
    json writes them, because searches of logs contain them.
    """
    try:
        line = _encode(members)
    except UnicodeEncodeError:
        # A lone surrogate, which JSON can only hold as an escape.
        return json.dumps(members, default=repr)
    if not line.isascii():
        return json.dumps(members, default=repr)
    return msgspec.json.format(line, indent=0).decode()
