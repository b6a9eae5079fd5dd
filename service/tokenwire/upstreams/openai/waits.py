"""Parses the time that an upstream asks to wait before a retry, in every format in use."""

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Final

MILLISECOND_HEADERS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
"""The headers of OpenAI and Azure. They take precedence over Retry-After, which is rounded."""

DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]*)?", re.ASCII)
TEXT: Final = re.compile(
    r"""(?:try\ again|retry)\ (?:in|after)\ (?=[0-9])
    (?:([0-9]{1,9})\ ?m(?:in(?:ute)?s?)?(?![a-z])\ ?)?
    (?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\ ?s(?:ec(?:ond)?s?)?(?![a-z]))?
    (?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\ ?ms\b)?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)s", re.ASCII)

MAX_SECONDS: Final = 365 * 86_400.0
"""The upper limit of a wait, far below the largest Duration in a RetryInfo."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait in a response's headers, in seconds, or None if there is none.

    Retry-After is an integer or a date (RFC 9110, 10.2.3). Some upstreams send decimals.
    """
    for name in MILLISECOND_HEADERS:
        wait = _number(headers.get(name, ""))
        if wait is not None:
            return _clamp(wait / 1000)
    value = headers.get("retry-after", "")
    wait = _number(value)
    return _until(value) if wait is None else _clamp(wait)


def duration(value: str) -> float | None:
    """Return the seconds of a protobuf Duration in JSON, such as `24.5s`, or None."""
    match = DURATION.fullmatch(value)
    return _clamp(float(match[1])) if match else None


def wait_in_text(text: str) -> float | None:
    """Return the wait that an error message states, in seconds, or None if it states none."""
    match = TEXT.search(text)
    if match is None or not any(match.groups()):
        return None
    minutes, seconds, milliseconds = (float(number or 0) for number in match.groups())
    return _clamp(60 * minutes + seconds + milliseconds / 1000)


def _number(value: str) -> float | None:
    value = value.strip()
    return float(value) if DECIMAL.fullmatch(value) else None


def _until(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date.strip())
        return _clamp(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _clamp(seconds: float) -> float:
    return min(max(0.0, seconds), MAX_SECONDS)
