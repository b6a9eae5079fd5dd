"""Filters the log records of libraries: removes values and limits the rate.

Libraries format values into their messages: gRPC and OpenTelemetry a caller's metadata, warnings
the value that they warn about. Only text that is a constant in the library's code is logged,
with the location of the log call.
"""

import logging
import sys
import time
from types import CodeType, FrameType
from typing import Final

from tokenwire.observability.logs.line_writer import LineDropReason

SERVICE_LOGGER: Final = "tokenwire"
PYTHON_LOGGER: Final = "tokenwire.python"
"""The logger of `hooks`; its rate is limited like that of a library."""
WITHHELD: Final = "message of a library withheld"
"""The event of a record whose message is not a constant."""

BURST: Final = 20
"""The most lines that one logger may write at once."""
LINES_PER_SECOND: Final = 1.0
"""The rate of one logger after a burst."""
MAX_BUCKETS: Final = 500
"""The most loggers with a token bucket of their own; all others share one."""

GRPC_CORE: Final = "grpc._cython.cygrpc"
CALLER_LEFT_MESSAGE: Final = "ExecuteBatchError raised in core by servicer method"
"""The start of the message that gRPC logs when a caller leaves while its status is sent."""
GRPC_CORE_MESSAGES: Final = {
    "Invalid encoding on": "metadata is not valid UTF-8",
    "Unexpected [": "unexpected exception raised by servicer method",
    "Abort error unexpectedly suppressed": "abort error unexpectedly suppressed",
    "Exception not handled by": "exception raised by servicer method was not handled",
    "Failed sending error status": "failed to send error status",
    "Error in callback for method": "error in callback for method",
    "Aborting method": "method aborted because the server has stopped",
}
"""The prefixes of its messages and the text logged for each. The module is compiled, so its
constants cannot be looked up, and some messages are formatted before they are logged."""
EXPORTERS: Final = ("opentelemetry.exporter.", "opentelemetry.sdk._shared_internal")
"""The loggers of span exporters."""


class LibraryFilter:
    """The record filter of `QueueingHandler`."""

    def __init__(self) -> None:
        self._buckets: dict[str, _TokenBucket] = {}

    def __call__(self, record: logging.LogRecord) -> logging.LogRecord | LineDropReason | None:
        """Return the record to log in place of `record`.

        Returns:
            A record without values; the reason for which `record` is dropped; or None to
            ignore it.
        """
        if record.name == PYTHON_LOGGER:
            source = f"{PYTHON_LOGGER} {record.msg}"
            return record if self._is_within_rate(source) else LineDropReason.RATE
        if record.name.partition(".")[0] == SERVICE_LOGGER:
            return record
        if _is_redundant(record):
            return None
        return _without_values(record) if self._is_within_rate(record.name) else LineDropReason.RATE

    def _is_within_rate(self, source: str) -> bool:
        bucket = self._buckets.get(source)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                source = "others"
            bucket = self._buckets.setdefault(source, _TokenBucket())
        return bucket.take()


class _TokenBucket:
    """Limits the lines of one logger."""

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._refilled = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * LINES_PER_SECOND)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _is_redundant(record: logging.LogRecord) -> bool:
    """Return whether the service itself logs what a library's record says.

    When a caller leaves while its status is being sent, gRPC logs an error with a traceback;
    "call ended" already says how the call ended. Exporters log each failed attempt with the
    collector's address; `traces.span_export` logs lost spans once a minute, with the cause.
    """
    if record.name.startswith(EXPORTERS):
        return True
    return record.name == GRPC_CORE and str(record.msg).startswith(CALLER_LEFT_MESSAGE)


def _without_values(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record with the constant part of the message, without arguments and fields."""
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
        texts = (text for prefix, text in GRPC_CORE_MESSAGES.items() if message.startswith(prefix))
        return next(texts, WITHHELD)
    frame = _logging_frame(record)
    if frame is None:
        return WITHHELD
    constants = frame.f_code.co_consts
    if message in constants or any(value is message for value in frame.f_globals.values()):
        return message
    return WITHHELD


def _logging_frame(record: logging.LogRecord) -> FrameType | None:
    """Return the frame that is logging `record`, or None if it is not on the stack."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - public in all but its name
    while frame is not None and not _is_at(frame.f_code, frame.f_lineno, record):
        frame = frame.f_back
    return frame


def _is_at(code: CodeType, line: int, record: logging.LogRecord) -> bool:
    return code.co_filename == record.pathname and line == record.lineno
