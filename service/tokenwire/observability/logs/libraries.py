"""What of libraries' log records becomes a line: never a value, and not without end.

Libraries write into their messages what they were given: gRPC and OpenTelemetry a
caller's metadata, warnings the value that they warn of. So only text that is a
constant in the library's code is logged, with the place that logged it.
"""

import logging
import sys
import time
from types import CodeType, FrameType
from typing import Final

from tokenwire.observability.logs.line_writer import Drop

OURS: Final = "tokenwire"
PYTHON: Final = "tokenwire.python"
"""Logs for Python itself, as often as libraries may."""
WITHHELD: Final = "message of a library withheld"

BURST: Final = 20
PER_SECOND: Final = 1.0
"""How many lines of one logger are written: so many at once, then so many a second."""
MOST_ORIGINS: Final = 500
"""How many loggers have an allowance of their own; the others share one."""

GRPC_CORE: Final = "grpc._cython.cygrpc"
CALLER_LEFT: Final = "ExecuteBatchError raised in core by servicer method"
GRPC_CORE_MESSAGES: Final = {
    "Invalid encoding on": "metadata is not valid UTF-8",
    "Unexpected [": "unexpected exception raised by servicer method",
    "Abort error unexpectedly suppressed": "abort error unexpectedly suppressed",
    "Exception not handled by": "exception raised by servicer method was not handled",
    "Failed sending error status": "failed to send error status",
    "Error in callback for method": "error in callback for method",
    "Aborting method": "method aborted because the server has stopped",
}
"""How its messages begin, and what is logged for them. It is compiled, so that constants cannot
be looked up, and some of them get names of methods before they are logged."""
EXPORTERS: Final = ("opentelemetry.exporter.", "opentelemetry.sdk._shared_internal")


class LibraryFilter:
    """Decides about records; for `log_handler.QueueingHandler`."""

    def __init__(self) -> None:
        self._allowances: dict[str, _Allowance] = {}

    def __call__(self, record: logging.LogRecord) -> logging.LogRecord | Drop | None:
        """Return what to log in place of `record`: nothing, or why it is dropped."""
        if record.name == PYTHON:
            return record if self._allows(f"{PYTHON} {record.msg}") else Drop.RATE
        if record.name.partition(".")[0] == OURS:
            return record
        if not _is_news(record):
            return None
        return _without_values(record) if self._allows(record.name) else Drop.RATE

    def _allows(self, origin: str) -> bool:
        allowance = self._allowances.get(origin)
        if allowance is None:
            if len(self._allowances) >= MOST_ORIGINS:
                origin = "others"
            allowance = self._allowances.setdefault(origin, _Allowance())
        return allowance.take()


class _Allowance:
    """A token bucket of lines."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _is_news(record: logging.LogRecord) -> bool:
    """Tell what is worth a line from what libraries say of things that the service tells itself.

    When a caller leaves just as its call's status is sent, gRPC logs an error with a
    traceback; "call ended" has said how the call ended. Exporters log each attempt and its
    address; `traces.span_export` logs once a minute that spans are lost, and why.
    """
    if record.name.startswith(EXPORTERS):
        return False
    left = record.name == GRPC_CORE and str(record.msg).startswith(CALLER_LEFT)
    return not left


def _without_values(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record with the constant part of the message, and no arguments or extra fields."""
    plain = logging.LogRecord(
        record.name,
        record.levelno,
        record.pathname,
        record.lineno,
        _constant_text(record),
        (),
        record.exc_info,
        record.funcName,
    )
    plain.where = f"{record.pathname}:{record.lineno} {record.funcName}"
    return plain


def _constant_text(record: logging.LogRecord) -> str:
    message = record.msg
    if not isinstance(message, str):
        return WITHHELD
    if record.name == GRPC_CORE:
        texts = (text for begin, text in GRPC_CORE_MESSAGES.items() if message.startswith(begin))
        return next(texts, WITHHELD)
    frame = _logging_frame(record)
    if frame is None:
        return WITHHELD
    constants = frame.f_code.co_consts
    if message in constants or any(value is message for value in frame.f_globals.values()):
        return message
    return WITHHELD


def _logging_frame(record: logging.LogRecord) -> FrameType | None:
    """Return the frame that logs `record` now."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - public in all but its name
    while frame is not None and not _is_at(frame.f_code, frame.f_lineno, record):
        frame = frame.f_back
    return frame


def _is_at(code: CodeType, line: int, record: logging.LogRecord) -> bool:
    return code.co_filename == record.pathname and line == record.lineno
