"""The table of failures: the statuses with which a call may end, as its client sees them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tokenwire.v1 import chatgpt_pb2 as pb

UNAVAILABLE: Final = "UNAVAILABLE"
ABORTED: Final = "ABORTED"

_INVALID: Final = "INVALID_ARGUMENT"
_EXHAUSTED: Final = "RESOURCE_EXHAUSTED"
_PRECONDITION: Final = "FAILED_PRECONDITION"

OK: Final = frozenset({("OK", "")})
_TIMEOUT: Final = frozenset({(UNAVAILABLE, "UPSTREAM_TIMEOUT")})
_IDLE: Final = frozenset({(UNAVAILABLE, "UPSTREAM_IDLE_TIMEOUT")})

ROWS: Final[dict[int, frozenset[tuple[str, str]]]] = {
    1: frozenset({(UNAVAILABLE, "UPSTREAM_UNREACHABLE")}),
    2: frozenset({(UNAVAILABLE, "UPSTREAM_UNREACHABLE")}),
    3: _TIMEOUT,
    4: _TIMEOUT,
    5: _IDLE,
    6: _TIMEOUT | _IDLE,
    7: frozenset({(UNAVAILABLE, "STREAM_DURATION_LIMIT")}),
    8: frozenset({(_INVALID, "PROMPT_TOO_LONG")}),
    9: frozenset({(_INVALID, "PROMPT_REJECTED")}),
    10: frozenset({("INTERNAL", "UPSTREAM_REJECTED_REQUEST")}),
    11: frozenset({(_PRECONDITION, "UPSTREAM_AUTH_REJECTED")}),
    12: frozenset({(_PRECONDITION, "UPSTREAM_MODEL_NOT_FOUND")}),
    13: _TIMEOUT | {(UNAVAILABLE, "UPSTREAM_CONFLICT")},
    14: frozenset({(_EXHAUSTED, "UPSTREAM_RATE_LIMITED")}),
    15: frozenset({(_EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED")}),
    16: frozenset({(UNAVAILABLE, "UPSTREAM_ERROR")}),
    17: frozenset({(UNAVAILABLE, "UPSTREAM_STREAM_BROKEN")}),
    18: frozenset({(UNAVAILABLE, "UPSTREAM_TRUNCATED")}),
    19: OK,
    20: frozenset({("INTERNAL", "UPSTREAM_PROTOCOL_ERROR")}),
    21: frozenset({(UNAVAILABLE, "UPSTREAM_ERROR")}),
    22: OK,
    23: OK,
    24: OK,
    25: frozenset({("INTERNAL", "UPSTREAM_EVENT_TOO_LARGE")}),
    26: frozenset({("INTERNAL", "UPSTREAM_RESPONSE_TOO_LARGE"), (UNAVAILABLE, "UPSTREAM_ERROR")}),
    27: OK,
    28: frozenset({(_PRECONDITION, "CONTENT_FILTERED")}),
    29: OK,
    30: OK,
    31: frozenset({("CANCELLED", "")}),
    32: frozenset({("DEADLINE_EXCEEDED", "")}),
    33: frozenset({("CANCELLED", "")}),
    34: frozenset({(_EXHAUSTED, "SLOW_CONSUMER")}),
    35: frozenset({(_EXHAUSTED, "SERVER_OVERLOADED")}),
    36: frozenset({(_INVALID, "MALFORMED_REQUEST")}),
    37: frozenset({(_INVALID, "EMPTY_PROMPT")}),
    38: frozenset({(_INVALID, "INVALID_PARAMETER"), (_INVALID, "UNKNOWN_MODEL")}),
    39: frozenset({(_EXHAUSTED, "")}),
    46: frozenset({(_INVALID, "MALFORMED_REQUEST")}),
    47: frozenset({(_EXHAUSTED, "REQUEST_TIMEOUT")}),
    49: OK,
    # The gRPC client's status for a stream that was reset.
    52: frozenset({("CANCELLED", "")}),
    55: frozenset({("INTERNAL", "UPSTREAM_TOOL_CALL_INVALID")}),
}
"""The allowed codes and reasons, by row number. UNAVAILABLE also stands for ABORTED, which
replaces it once a token was sent."""

TIMING_ROWS: Final = frozenset({3, 4, 5, 7, 34})
"""The rows that may occur for any call on an overloaded machine."""


@dataclass(frozen=True)
class CallResult:
    """How a call ended, as its client saw it.

    Attributes:
        code: The name of the status code.
        reason: The reason in google.rpc.ErrorInfo, or empty.
        texts: The number of Answers with text.
        last: The last Answer; None if there was none.
        shown: The status text and all metadata that the client received.
        foreign: Whether the client received text of another call.
        blocked: Whether the caller stopped reading. A write may then be pending when the call
            ends, and gRPC accepts no further write, not even of the last Answer.
    """

    code: str
    reason: str = ""
    texts: int = 0
    last: pb.Answer | None = None
    shown: str = ""
    foreign: bool = False
    blocked: bool = False

    def problem(self, rows: Iterable[int]) -> str | None:
        """Return what is wrong with this result if `rows` are allowed, or None."""
        if self.foreign:
            return "a text of another call"
        allowed = set[tuple[str, str]]().union(*(ROWS[row] for row in rows))
        if self.code in (UNAVAILABLE, ABORTED) and (self.code == ABORTED) != (self.texts > 0):
            return f"{self.code} after {self.texts} texts"
        if (UNAVAILABLE if self.code == ABORTED else self.code, self.reason) not in allowed:
            return f"{self.code} {self.reason} is none of {sorted(allowed)}"
        if self.code == "OK" and not (self.last and self.last.finish_reason):
            return "OK without a finish reason"
        if self.reason and self.texts and not self.blocked:
            error = self.last.error if self.last else ""
            if error != self.reason:
                return f"{self.reason}, but the last Answer's error is {error!r}"
        return None
