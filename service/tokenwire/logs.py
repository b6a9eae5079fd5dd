"""Logs: one JSON object a line, or a readable form on a terminal."""

import logging
import sys
from typing import Final

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from tokenwire.calls import Call
from tokenwire.settings import Settings

LIBRARIES_LEVEL: Final = logging.WARNING
"""Libraries log prompts and answers below this level, so no setting lowers it."""

log = logging.getLogger(__name__)
call_log = logging.getLogger("tokenwire.call")


def configure(settings: Settings) -> None:
    """Send all logs of the process to stderr in the form that `settings` ask for."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    last: list[Processor]
    if _is_console(settings):
        last = [structlog.dev.ConsoleRenderer()]
    else:
        last = [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
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
        "first_token_seconds": (
            round(call.first_token - call.started, 6) if call.first_token else None
        ),
        "tokens_sent": call.tokens,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "finish_reason": call.completion.finish_reason.value if call.completion else None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    call_log.info("call ended", extra=present)


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
