"""What a call has used, also if it failed."""

from dataclasses import replace

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Usage

NOTHING = Usage(0, 0)


def spent(call: CallRecord) -> tuple[Usage, bool]:
    """Return the tokens of a call, and whether a part of them is estimated.

    It is what the upstream has reported. Where an answer broke off and the upstream has not
    reported the output that was received, each of its events counts as one token, and the input is
    estimated from its size. A call whose model has not begun to answer has used nothing.
    """
    if call.usage:
        return call.usage, False
    if not (call.attempts.received or call.tokens):
        return NOTHING, False
    reported = call.usage_reported
    usage = reported or Usage(call.input_estimate, 0)
    if reported and usage.output_tokens >= call.tokens:
        return usage, False
    return replace(usage, output_tokens=max(usage.output_tokens, call.tokens)), True
