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
from structlog.typing import EventDict, Processor, WrappedLogger

from tokenwire.config import Settings
from tokenwire.observability.logs.exceptions import exception_fields
from tokenwire.observability.logs.handler import QueueingHandler
from tokenwire.observability.logs.json_formatter import JsonFormatter, trace_fields
from tokenwire.observability.logs.libraries import LibraryFilter

LIBRARIES_LEVEL: Final = logging.WARNING
"""The level of libraries. No setting lowers it: below it, libraries log prompts and answers."""

log = logging.getLogger(__name__)


def configure(settings: Settings, worker: int | None = None) -> None:
    """Send all logs of the process to stderr in the configured format.

    Args:
        settings: The log format and level.
        worker: The worker's number, which becomes a field of every line; None without workers.
    """
    handler = QueueingHandler(sys.stderr, LibraryFilter())
    handler.setFormatter(
        _console_formatter(settings, worker) if _is_console(settings) else JsonFormatter(worker)
    )
    # No line has these attributes of a record, and finding their values takes time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LIBRARIES_LEVEL)
    logging.getLogger("tokenwire").setLevel(settings.log_level.upper())


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an uncaught exception of a task or callback; an event loop's exception handler."""
    # The loop's own message contains the task, and with it the exception's text.
    log.error("exception outside of any call", exc_info=context.get("exception"))


def _is_console(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return sys.stderr.isatty()
    return settings.log_format == "console"


def _console_formatter(settings: Settings, worker: int | None) -> logging.Formatter:
    """Return a formatter for people, with the same fields as the lines of JSON."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: {**event, **trace_fields()},
        _reduce_exception,
    ]
    if worker is not None:
        shared.append(lambda _, __, event: {**event, "worker": worker})
    colors = sys.stderr.isatty() and not settings.no_color
    renderer: Processor = structlog.dev.ConsoleRenderer(colors=colors)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _reduce_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    return {**event, **exception_fields(exc_info)}
