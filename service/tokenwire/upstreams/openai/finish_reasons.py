"""Maps the finish reasons of all providers to `FinishReason`."""

import re
from typing import Final

from tokenwire.core.domain import FinishReason
from tokenwire.core.errors import ContentFiltered, UpstreamError

MAX_LENGTH: Final = 256
"""The number of characters of a reason that are read."""
NON_LETTERS: Final = re.compile(r"[^a-z]+")

KNOWN_REASONS: Final = {
    **dict.fromkeys(("stop", "eos", "eostoken", "end", "endturn"), FinishReason.STOP),
    "stopsequence": FinishReason.STOP,
    **dict.fromkeys(("length", "maxtokens", "maxoutputtokens", "modellength"), FinishReason.LENGTH),
    "modelcontextwindowexceeded": FinishReason.LENGTH,
    **dict.fromkeys(("toolcalls", "functioncall", "tooluse"), FinishReason.TOOL_CALLS),
}
"""The reasons of complete answers, reduced to lower-case letters."""

FILTERED: Final = re.compile(
    "filter|safety|sensitive|prohibited|blocklist|recitation|spii|policy|moderation|refusal"
    "|guardrail"
)
INTERRUPTED: Final = re.compile(
    "error|abort|fail|interrupt|network|timeout|cancel|unavailable|insufficient|exhausted|overload"
    "|exception|malformed|disconnect|crash|shutdown|evict|preempt"
)
"""Word stems of reasons that report an interrupted generation. Providers use different names."""


def finish_reason(reason: str) -> FinishReason:
    """Return the FinishReason for a provider's reason. Case and separators are ignored.

    Raises:
        ContentFiltered: A content filter ended the answer.
        UpstreamError: Generation was interrupted.
    """
    name = NON_LETTERS.sub("", reason[:MAX_LENGTH].lower())
    if name in KNOWN_REASONS:
        return KNOWN_REASONS[name]
    if FILTERED.search(name):
        raise ContentFiltered
    if INTERRUPTED.search(name):
        raise UpstreamError
    return FinishReason.OTHER
