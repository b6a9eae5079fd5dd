"""Distinguishes a caller whose deadline passed from a caller that cancelled.

A client resets the stream in the same way in both cases, so gRPC reports both to the server as
a cancellation.
"""

import math
from typing import Final

LATENCY_SECONDS: Final = 0.05
"""The largest delay between the client's and the server's start of a call."""

CORE_USER_AGENT: Final = "grpc-c/"
"""Part of the user agent of every client that uses gRPC's C core: Python, C++, Ruby, PHP, C#."""

CORE_DIGITS: Final = 3
CORE_STEP_SECONDS: Final = 0.001


def deadline_passed(left: float, total: float, user_agent: str) -> bool:
    """Report whether a caller that has just disconnected did so because its deadline passed.

    Args:
        left: Seconds until the deadline, by the server's clock.
        total: Seconds from the start of the call to the deadline.
        user_agent: The client's user agent, or empty.
    """
    # Other clients send eight digits, which makes their rounding negligible.
    rounding = _core_rounding(total) if CORE_USER_AGENT in user_agent else CORE_STEP_SECONDS
    return left <= LATENCY_SECONDS + rounding


def _core_rounding(total: float) -> float:
    """Return the most seconds that the C core adds to a timeout that it sends as `total` seconds.

    The C core rounds up to whole milliseconds and to three digits (timeout_encoding.cc), so a
    timeout of 900 s arrives as 901 s.
    """
    if total <= CORE_STEP_SECONDS:
        return CORE_STEP_SECONDS
    return max(
        CORE_STEP_SECONDS,
        10.0 ** (math.floor(math.log10(total)) + 1 - CORE_DIGITS),
    )
