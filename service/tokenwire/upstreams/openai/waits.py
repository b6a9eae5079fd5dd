"""How long an upstream asks to wait, in every form in which it is sent."""

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Final

MILLISECONDS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
"""OpenAI's and Azure's headers. They stand before Retry-After, which is the same wait rounded."""

DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)
IN_WORDS: Final = re.compile(
    r"""(?:try\ again|retry)\ (?:in|after)\ (?=[0-9])
    (?:([0-9]{1,9})\ ?m(?:in(?:ute)?s?)?(?![a-z])\ ?)?
    (?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\ ?s(?:ec(?:ond)?s?)?(?![a-z]))?
    (?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\ ?ms\b)?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)s", re.ASCII)

MOST_SECONDS: Final = 365 * 86_400.0
"""Nobody means a longer wait, and far longer ones have no place in a RetryInfo."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response's headers ask to wait, or None if they ask for none.

    Retry-After may be a date (RFC 9110, 10.2.3); decimals are no standard, but sent.
    """
    for name in MILLISECONDS:
        wait = _number(headers.get(name, ""))
        if wait is not None:
            return _bounded(wait / 1000)
    value = headers.get("retry-after", "")
    wait = _number(value)
    return _until(value) if wait is None else _bounded(wait)


def duration(value: str) -> float | None:
    """Return the seconds of a protobuf duration in JSON, such as `24.5s`, or None."""
    match = DURATION.fullmatch(value)
    return _bounded(float(match[1])) if match else None


def in_words(text: str) -> float | None:
    """Return the seconds after which a sentence asks to come back, or None."""
    match = IN_WORDS.search(text)
    if match is None or not any(match.groups()):
        return None
    minutes, seconds, milliseconds = (float(number or 0) for number in match.groups())
    return _bounded(60 * minutes + seconds + milliseconds / 1000)


def _number(value: str) -> float | None:
    value = value.strip()
    return float(value) if DECIMAL.fullmatch(value) else None


def _until(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date.strip())
        return _bounded(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), MOST_SECONDS)
