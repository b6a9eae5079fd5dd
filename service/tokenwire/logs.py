"""Logs: one JSON object a line, or a readable form on a terminal.

An exception leaves its type and where it was raised, never its text or the
values around it: both may hold a prompt.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from tokenwire.settings import Settings

if TYPE_CHECKING:
    # Not otherwise: the supervisor of workers logs too, and has no use for gRPC.
    from tokenwire.calls import Call

MOST_FRAMES: Final = 40
"""An endless recursion has a thousand, nearly all alike."""
LIBRARIES_LEVEL: Final = logging.WARNING
"""Libraries log prompts and answers below this level, so no setting lowers it."""

GRPC_CORE: Final = "grpc._cython.cygrpc"
CALLER_LEFT: Final = "ExecuteBatchError raised in core by servicer method"
EXPORTERS: Final = ("opentelemetry.exporter.", "opentelemetry.sdk._shared_internal")

log = logging.getLogger(__name__)
call_log = logging.getLogger("tokenwire.call")


def configure(settings: Settings, worker: int | None = None) -> None:
    """Send all logs of the process to stderr in the form that `settings` ask for.

    A worker's number, if given, is a field of every line.
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
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
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


def log_call(call: Call) -> None:
    """Log how a call ended; never its content."""
    usage = call.completion.usage if call.completion else None
    fields = {
        "request_id": call.request_id,
        "code": call.code.name if call.code else None,
        "reason": call.reason or None,
        "model": call.model or None,
        "peer": call.peer,
        "seconds": round(call.ended - call.started, 6),
        "accept_wait_seconds": round(call.accept_wait, 6) if call.accept_wait else None,
        "queued_seconds": round(call.queued, 6) if call.queued else None,
        "first_token_seconds": (
            round(call.first_token - call.started, 6) if call.first_token else None
        ),
        "tokens": call.tokens,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "retries": call.exchange.retries or None,
        "finish_reason": call.completion.finish_reason.value if call.completion else None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    call_log.info("call ended", extra=present)


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task of ours has caught; an event loop's exception handler."""
    # The loop's own message would show the task, and with it the exception's text.
    log.error("exception outside of any call", exc_info=context.get("exception"))


def frames_of(error: BaseException) -> list[str]:
    """Return where an exception came from, the outermost frame first: no text and no values."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    if len(frames) > MOST_FRAMES:
        frames[MOST_FRAMES // 2 : -MOST_FRAMES // 2] = ["..."]
    return frames


def _is_console(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return sys.stderr.isatty()
    return settings.log_format == "console"


def _is_news(record: logging.LogRecord) -> bool:
    """Tell what is worth a line from what libraries say of things that the service tells itself.

    When a caller leaves just as its call's status is sent, gRPC logs an error with a
    traceback; "call ended" has said how the call ended. Exporters say of each attempt
    where it went; `tokenwire.spans` says once a minute that spans are lost.
    """
    if record.name.startswith(EXPORTERS):
        return False
    left = record.name == GRPC_CORE and str(record.msg).startswith(CALLER_LEFT)
    return not left


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
