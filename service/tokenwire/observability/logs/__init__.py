"""Logs: one JSON object per line, or a readable format on a terminal.

An exception is logged as its type and its stack frames, never as its text or with local values,
because both may contain a prompt.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, Final

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from tokenwire.config import Settings
from tokenwire.observability.logs.handler import QueueingHandler
from tokenwire.observability.logs.libraries import LibraryFilter

MAX_FRAMES: Final = 40
"""The most stack frames logged for one exception; infinite recursion has a thousand."""
LIBRARIES_LEVEL: Final = logging.WARNING
"""The level of libraries. No setting lowers it: below it, libraries log prompts and answers."""

log = logging.getLogger(__name__)


def configure(settings: Settings, worker: int | None = None) -> None:
    """Send all logs of the process to stderr in the configured format.

    Args:
        settings: The log format and level.
        worker: The worker's number, which becomes a field of every line; None without workers.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        _reduce_exception,
    ]
    if worker is not None:
        shared.append(lambda _, __, event: {**event, "worker": worker})
    renderer: Processor = structlog.processors.JSONRenderer()
    if _is_console(settings):
        colors = sys.stderr.isatty() and not settings.no_color
        renderer = structlog.dev.ConsoleRenderer(colors=colors)
    handler = QueueingHandler(sys.stderr, LibraryFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LIBRARIES_LEVEL)
    logging.getLogger("tokenwire").setLevel(settings.log_level.upper())


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an uncaught exception of a task or callback; an event loop's exception handler."""
    # The loop's own message contains the task, and with it the exception's text.
    log.error("exception outside of any call", exc_info=context.get("exception"))


def frames_of(error: BaseException) -> list[str]:
    """Return the stack frames of an exception, outermost first, as `FILE:LINE FUNCTION`."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    if len(frames) > MAX_FRAMES:
        frames[MAX_FRAMES // 2 : -MAX_FRAMES // 2] = ["..."]
    return frames


def _is_console(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return sys.stderr.isatty()
    return settings.log_format == "console"


def _add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


def _reduce_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else None
    if isinstance(error, BaseException):
        event["exception"] = type(error).__qualname__
        event["frames"] = frames_of(error)
    return event
