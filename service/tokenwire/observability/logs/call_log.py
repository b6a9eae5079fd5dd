"""The line that each call leaves: how it ended and why, never what was said."""

import logging
from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import InternalError, Party, ServerShuttingDown
from tokenwire.observability.metrics.labels import FAILURES

LATE_SECONDS: Final = 2.5
"""The objective for first tokens, as observability/prometheus/rules.yml has it."""
BLAME: Final[dict[str, Party]] = {kind.reason: kind.blame for kind in FAILURES}

log = logging.getLogger("tokenwire.call")


def log_call(call: CallRecord) -> None:
    """Log how a call ended.

    The level is `warning` for what is the upstream's or the service's fault, `error` for a
    bug, and `info` for everything else.
    """
    level = _level(call)
    if not log.isEnabledFor(level):
        return
    usage = call.completion.usage if call.completion else None
    fields = {
        "request_id": call.request_id,
        "code": call.status,
        "reason": call.reason or None,
        "blame": BLAME.get(call.reason),
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
        "retries": call.attempts.retries or None,
        "attempts": call.attempts.count if call.attempts.sent else None,
        "cause": call.attempts.cause.value if call.attempts.cause else None,
        "upstream_status": call.attempts.upstream_status or None,
        "upstream_request_id": call.attempts.upstream_request_id or None,
        "finish_reason": call.completion.finish_reason.value if call.completion else None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    log.log(level, "call ended", extra=present)


def _level(call: CallRecord) -> int:
    match call.status:
        case "OK":
            return logging.INFO
        case "CANCELLED" | "DEADLINE_EXCEEDED":
            # The caller gave up on an upstream that was late already.
            silent = call.attempts.asked and not call.first_token
            late = silent and call.ended - call.started > LATE_SECONDS
            return logging.WARNING if late else logging.INFO
    if call.reason == InternalError.reason:
        return logging.ERROR
    if call.reason == ServerShuttingDown.reason and not call.attempts.asked:
        # Ordinary life of a pod that leaves: the caller goes to another one.
        return logging.INFO
    return logging.INFO if BLAME.get(call.reason) == "caller" else logging.WARNING
