"""The log line of each call: how the call ended and why, without its content."""

import logging
from typing import Final

from tokenwire.core.attempts import ONLY_UPSTREAM
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import InternalError, Party, ServerShuttingDown
from tokenwire.observability.metrics.labels import FAILURES

LATE_SECONDS: Final = 2.5
"""The objective for the time to first token; observability/prometheus/rules.yml has the same."""
BLAME: Final[dict[str, Party]] = {kind.reason: kind.blame for kind in FAILURES}
"""The party at fault, by reason."""

log = logging.getLogger("tokenwire.call")


def log_call(call: CallRecord) -> None:
    """Log how a call ended.

    The level is `warning` for failures of the upstream or the service, `error` for bugs, and
    `info` for everything else.

    Args:
        call: The record of a call that has ended.
    """
    level = _level(call)
    if not log.isEnabledFor(level):
        return
    usage = call.usage
    fields = {
        "request_id": call.request_id,
        "method": call.method.name,
        "code": call.status,
        "reason": call.reason or None,
        "blame": BLAME.get(call.reason),
        "limit": call.limit or None,
        "caller": call.caller.name if call.caller else None,
        "model": call.model or None,
        "peer": call.peer,
        "labels": call.labels or None,
        "seconds": round(call.ended - call.started, 6),
        "accept_wait_seconds": round(call.accept_wait, 6) if call.accept_wait else None,
        "queued_seconds": round(call.queued, 6) if call.queued else None,
        "first_token_seconds": (
            round(call.first_token - call.started, 6) if call.first_token else None
        ),
        "tokens": call.tokens,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cached_tokens": usage.cached_input_tokens or None if usage else None,
        "reasoning_tokens": usage.reasoning_tokens or None if usage else None,
        "tool_calls": call.tool_call_count or None,
        "prompt_tokens": call.prompt_tokens,
        "estimated": call.prompt_estimated or None,
        "retries": call.attempts.retries or None,
        "attempts": call.attempts.count if call.attempts.first_sent else None,
        "cause": call.attempts.cause.value if call.attempts.cause else None,
        "upstream": None if call.attempts.upstream == ONLY_UPSTREAM else call.attempts.upstream,
        "upstream_status": call.attempts.upstream_status or None,
        "upstream_request_id": call.attempts.upstream_request_id or None,
        "finish_reason": call.completion.finish_reason.value if call.completion else None,
        "refused": (call.completion.refused or None) if call.completion else None,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    log.log(level, "call ended", extra=present)


def _level(call: CallRecord) -> int:
    match call.status:
        case "OK":
            return logging.INFO
        case "CANCELLED" | "DEADLINE_EXCEEDED":
            # A caller that leaves a late upstream is a symptom of the upstream.
            without_token = call.attempts.started and not call.first_token
            late = without_token and call.ended - call.started > LATE_SECONDS
            return logging.WARNING if late else logging.INFO
    if call.reason == InternalError.reason:
        return logging.ERROR
    if call.reason == ServerShuttingDown.reason and not call.attempts.started:
        # Expected when a pod terminates: the caller retries on another pod.
        return logging.INFO
    return logging.INFO if BLAME.get(call.reason) == "caller" else logging.WARNING
