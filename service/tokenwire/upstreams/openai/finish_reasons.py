"""Why a model stopped writing, in any provider's words."""

import re
from typing import Final

from tokenwire.core.domain import FinishReason
from tokenwire.core.errors import ContentFiltered, UpstreamError

MAX_LENGTH: Final = 256
"""Characters of a reason that are looked at."""
NO_LETTER: Final = re.compile(r"[^a-z]+")

KNOWN: Final = {
    **dict.fromkeys(("stop", "eos", "eostoken", "end", "endturn"), FinishReason.STOP),
    "stopsequence": FinishReason.STOP,
    **dict.fromkeys(("length", "maxtokens", "modellength"), FinishReason.LENGTH),
    "modelcontextwindowexceeded": FinishReason.LENGTH,
    **dict.fromkeys(("toolcalls", "functioncall", "tooluse"), FinishReason.TOOL_CALLS),
}
"""Reasons of a whole answer, in small letters alone."""

FILTERED: Final = re.compile(
    "filter|safety|sensitive|prohibited|blocklist|recitation|spii|policy|moderation|refusal"
)
INTERRUPTED: Final = re.compile(
    "error|abort|fail|interrupt|network|timeout|cancel|unavailable|insufficient|exhausted|overload"
    "|exception|malformed|disconnect|crash|shutdown|evict|preempt"
)
"""Signs that the machine gave up, rather than names: each provider has its own."""


def finish_reason(said: str) -> FinishReason:
    """Return what a provider's reason means; its case and its separators do not matter.

    Raises:
        ContentFiltered: A content filter ended the answer.
        UpstreamError: The answer was broken off.
    """
    name = NO_LETTER.sub("", said[:MAX_LENGTH].lower())
    if name in KNOWN:
        return KNOWN[name]
    if FILTERED.search(name):
        raise ContentFiltered
    if INTERRUPTED.search(name):
        raise UpstreamError
    return FinishReason.OTHER
