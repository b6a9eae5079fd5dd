"""Axes: round ticks, and values as Grafana would write them."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

ROUND: Final = (1, 2, 5)
"""The first digits of a round step."""
INTERVALS: Final = 5
"""The most of them between the ticks of an axis."""
SECONDS: Final = (1, 2, 3, 5, 10, 15, 30)
MINUTES: Final = (1, 2, 3, 5, 10, 15, 30)
HOURS: Final = (1, 2, 3, 6, 12, 24)
STEPS: Final = (*SECONDS, *(60 * each for each in MINUTES), *(3600 * each for each in HOURS))
"""Round steps of time, in seconds. None is more than twice the one before it, so that the largest
step of which too many fit on an axis is followed by one of which two or more do."""

PER_SECOND: Final = {"reqps", "cps", "tokens/s"}
TIMES: Final = (
    (86_400, "d", 2 * 86_400),
    (3600, "h", 2 * 3600),
    (60, "min", 120),
    (1, "s", 1),
    (1e-3, "ms", 1e-3),
    (1e-6, "µs", 0),
)
"""Seconds, name of that unit, and from how many seconds on it is used."""
BYTES: Final = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
COUNTS: Final = ((1e6, "M"), (1e3, "k"), (1, ""))


@dataclass(frozen=True)
class Scale:
    """The unit that numbers of one size are shown in.

    Attributes:
        one: What is shown as 1.
        before: What is written before the number.
        after: What is written after it.
    """

    one: float
    before: str = ""
    after: str = ""

    def text(self, value: float, digits: int = 10) -> str:
        """Return a value with so many digits at most, or with all before the point."""
        shown = value / self.one
        short = f"{shown:.{digits}g}"
        return f"{self.before}{f'{shown:.0f}' if 'e+' in short else short}{self.after}"


@dataclass(frozen=True)
class Tick:
    """One mark of an axis: where it is, and what is written there."""

    at: float
    label: str


def scale(unit: str, largest: float) -> Scale:
    """Return how numbers up to `largest` are shown in a unit of Grafana's."""
    if unit == "percentunit":
        return Scale(0.01, after=" %")
    if unit == "currencyUSD":
        return Scale(1, before="$")
    if unit == "s":
        one, name = next((one, name) for one, name, least in TIMES if largest >= least)
        return Scale(one, after=f" {name}") if largest else Scale(1, after=" s")
    if unit == "bytes":
        one, name = next((each for each in BYTES if largest >= each[0]), BYTES[-1])
        return Scale(one, after=f" {name}")
    one, name = next((each for each in COUNTS if largest >= 10 * each[0]), COUNTS[-1])
    return Scale(one, after=f"{name}/s" if unit in PER_SECOND else name)


def formatted(value: float, unit: str) -> str:
    """Return one value in that unit, in three digits, or more if it is larger."""
    return scale(unit, abs(value)).text(value, digits=3)


def value_ticks(low: float, high: float, unit: str) -> list[Tick]:
    """Return ticks at round values, the first not above `low`, the last not below `high`."""
    if low == high:
        high = low + 1
    shown = scale(unit, max(abs(low), abs(high)))
    values = _round_values(low, high, shown.one)
    # 990 ms are below 1 s, not below 1000 ms.
    larger = scale(unit, max(map(abs, values)))
    if larger != shown:
        shown, values = larger, _round_values(low, high, larger.one)
    return [Tick(value, shown.text(value) if value else "0") for value in values]


def _round_values(low: float, high: float, one: float) -> list[float]:
    """Return the multiples of a round step, in a unit, that reach from `low` to `high`."""
    step = _round_step((high - low) / one)
    first = math.floor(low / one / step + 1e-9)
    last = math.ceil(high / one / step - 1e-9)
    return [number * step * one for number in range(first, last + 1)]


def _round_step(span: float) -> float:
    """Return the smallest round step that a span has at most INTERVALS of."""
    power = 10.0 ** math.floor(math.log10(span / INTERVALS))
    return next(
        digit * power for digit in (*ROUND, 10) if span / (digit * power) <= INTERVALS * (1 + 1e-9)
    )


def time_ticks(start: float, end: float, most: int) -> list[Tick]:
    """Return two ticks or more at round times of this machine's clock.

    Args:
        start: Unix time in seconds.
        end: The same, two seconds later or more.
        most: The most ticks; three or more.
    """
    offset = datetime.fromtimestamp(start).astimezone().utcoffset()
    ahead = offset.total_seconds() if offset else 0.0
    for step in STEPS:
        first = math.ceil((start + ahead) / step)
        last = math.floor((end + ahead) / step)
        if last - first < most:
            break
    pattern = "%H:%M" if step >= STEPS[len(SECONDS)] else "%H:%M:%S"
    moments = [number * step - ahead for number in range(first, last + 1)]
    return [
        Tick(each, f"{datetime.fromtimestamp(each).astimezone():{pattern}}") for each in moments
    ]
