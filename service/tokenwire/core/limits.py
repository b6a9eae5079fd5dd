"""The limits of a caller."""

import datetime as dt
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

SLIDING_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
"""The lengths of the windows that slide, by their letters in the gateway file."""


STREAMS: Final = "streams"
"""The name of the limit of calls at once."""


class Unit(Enum):
    """What a window counts.

    Attributes:
        REQUESTS: Calls.
        TOKENS: Input and output tokens.
        DOLLARS: The price of the tokens, in nanodollars.
    """

    REQUESTS = "requests"
    TOKENS = "tokens"
    DOLLARS = "dollars"


@dataclass(frozen=True)
class Window:
    """The most of a unit that a caller may use within some time.

    Attributes:
        unit: What is counted.
        amount: The most of it: calls, tokens or nanodollars.
        period: `s`, `m` or `h` for a window that slides; `d` or `month` for a period of the
            calendar, in UTC.
    """

    unit: Unit
    amount: int
    period: str

    @cached_property
    def name(self) -> str:
        """The name that callers see, such as `tokens/m`."""
        return f"{self.unit.value}/{self.period}"

    @cached_property
    def seconds(self) -> int:
        """The length of a window that slides, in seconds; 0 for a period of the calendar."""
        return SLIDING_SECONDS.get(self.period, 0)

    def bounds(self, now: float) -> tuple[int, int]:
        """Return the begin and end of the calendar's period at `now`, as Unix times."""
        day = dt.datetime.fromtimestamp(now, dt.UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        if self.period == "d":
            return int(day.timestamp()), int(day.timestamp()) + 86_400
        first = day.replace(day=1)
        following = (first + dt.timedelta(days=32)).replace(day=1)
        return int(first.timestamp()), int(following.timestamp())


@dataclass(frozen=True)
class CallerLimits:
    """All limits of a caller.

    Attributes:
        streams: The most calls at once; None for any number.
        windows: The windows, each of which must have room for a call.
    """

    streams: int | None = None
    windows: tuple[Window, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the limits that are set."""
        windows = tuple(window.name for window in self.windows)
        return windows if self.streams is None else (STREAMS, *windows)
