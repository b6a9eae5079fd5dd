"""Tells a caller whose deadline has passed from one that cancelled.

gRPC tells the server nothing but that the caller has left: a client resets the
stream in the same way when it cancels and when its own deadline passes.
"""

import math
from typing import Final

LATENCY_SECONDS: Final = 0.05
"""The most that the server's clock of a call is behind the client's."""

CORE_USER_AGENT: Final = "grpc-c/"
"""Stands in the user agent of every client over gRPC's C core: Python, C++, Ruby, PHP, C#."""

CORE_DIGITS: Final = 3
CORE_SECONDS: Final = 0.001


def has_passed(left: float, total: float, user_agent: str) -> bool:
    """Tell whether the deadline of a caller that has just left has passed.

    Args:
        left: Seconds until the deadline as the server knows it.
        total: Seconds from the begin of the call to that deadline.
        user_agent: The client's, or empty.
    """
    # Other clients send eight digits, which is exact enough for any timeout.
    rounding = _core_rounding(total) if CORE_USER_AGENT in user_agent else CORE_SECONDS
    return left <= LATENCY_SECONDS + rounding


def _core_rounding(total: float) -> float:
    """Return how much the C core may have added to a timeout that it sent as `total` seconds.

    It rounds up to whole milliseconds and to three digits (timeout_encoding.cc), so a
    timeout of 900 s arrives as 901 s.
    """
    if total <= CORE_SECONDS:
        return CORE_SECONDS
    return max(CORE_SECONDS, 10.0 ** (math.floor(math.log10(total)) + 1 - CORE_DIGITS))
