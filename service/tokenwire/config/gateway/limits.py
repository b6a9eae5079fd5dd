"""The limits of callers in the gateway file, and the store that counts them."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tokenwire.config.gateway.section import Section
from tokenwire.config.gateway.values import REFERENCE
from tokenwire.core.limits import CallerLimits, Unit, Window

MAX_COUNT: Final = 10**15
"""The largest amount that a script of Redis counts exactly, with room for sums; Lua's numbers are
exact up to 2^53. Of dollars, in nanodollars, it is a million."""
NANODOLLARS: Final = 10**9
COUNT: Final = re.compile(r"([1-9][0-9_]{0,20})/(s|m|h|d|month)")
MONEY: Final = re.compile(r"([0-9][0-9_]{0,12}(?:\.[0-9]{1,9})?)/(s|m|h|d|month)")
STORE_URL: Final = re.compile(
    r"unix://(?:[^@/]*@)?/.+"
    r"|rediss?://(?:[^@/]*@)?{host}(?:/[0-9]*)?(?:\?.*)?"
    r"|rediss?\+sentinel://(?:[^@/]*@)?{host}(?:,{host})*/[^/?]+(?:/[0-9]+)?(?:\?.*)?"
    r"|rediss?\+cluster://(?:[^@/]*@)?{host}(?:,{host})*/?(?:\?.*)?".replace(
        "{host}", r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    )
)
"""One server, servers that Sentinel watches, or a cluster."""

WindowText: TypeAlias = tuple[int, str]
"""An amount and a period."""


def _count(value: object) -> WindowText:
    match = COUNT.fullmatch(value) if isinstance(value, str) else None
    amount = int(match[1].replace("_", "")) if match else 0
    if not match or not 0 < amount <= MAX_COUNT:
        raise PydanticCustomError(
            "window", "must be a number and a period: s, m, h, d or month, such as 600/m"
        )
    return amount, match[2]


def _money(value: object) -> WindowText:
    match = MONEY.fullmatch(value) if isinstance(value, str) else None
    amount = int(Decimal(match[1].replace("_", "")) * NANODOLLARS) if match else 0
    if not match or not 0 < amount <= MAX_COUNT:
        raise PydanticCustomError(
            "window", "must be an amount up to 1000000 and a period, such as 20/d or 0.5/h"
        )
    return amount, match[2]


def _windows(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _different(windows: list[WindowText]) -> list[WindowText]:
    periods = [period for _, period in windows]
    if len({*periods}) < len(periods):
        raise PydanticCustomError("windows", "must have each period once")
    return windows


def _store(value: object) -> object:
    # The text may have a password, so no message repeats it.
    if isinstance(value, str) and (
        REFERENCE.fullmatch(value) or (is_store_url(value) and not _has_password(value))
    ):
        return value
    raise PydanticCustomError(
        "store",
        "must be a URL without a password, such as redis://redis:6379/0 or rediss://redis:6379/0, "
        "or a reference to one with a password: env:NAME or file:PATH",
    )


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.password) or "password" in parts.query


def is_store_url(text: str) -> bool:
    """Report whether a text is the URL of a store."""
    if not STORE_URL.fullmatch(text):
        return False
    addresses = urlsplit(text).netloc.rpartition("@")[2]
    try:
        # Reading the port raises ValueError if it is too large.
        return all(urlsplit(f"//{address}").port != 0 for address in addresses.split(","))
    except ValueError:
        return False


CountText = Annotated[str, Field(pattern=f"^(?:{COUNT.pattern})$")]
MoneyText = Annotated[str, Field(pattern=f"^(?:{MONEY.pattern})$")]
Count = Annotated[WindowText, BeforeValidator(_count, json_schema_input_type=CountText)]
Money = Annotated[WindowText, BeforeValidator(_money, json_schema_input_type=MoneyText)]
Counts = Annotated[
    list[Count],
    AfterValidator(_different),
    BeforeValidator(_windows, json_schema_input_type=CountText | list[CountText]),
]
Moneys = Annotated[
    list[Money],
    AfterValidator(_different),
    BeforeValidator(_windows, json_schema_input_type=MoneyText | list[MoneyText]),
]
StoreUrl = Annotated[str, BeforeValidator(_store, json_schema_input_type=str)]


class LimitsSection(Section):
    """How much a caller may use."""

    streams: int | None = Field(None, ge=1, le=1_000_000, description="Most calls at once.")
    requests: Counts = Field(
        [],
        description="Most calls in a time: N/s, N/m or N/h for a window that slides, N/d or "
        "N/month for a period of the calendar in UTC. A list has several.",
    )
    tokens: Counts = Field([], description="Most input and output tokens in a time, likewise.")
    dollars: Moneys = Field([], description="Most US dollars in a time, likewise.")

    @property
    def limits(self) -> CallerLimits | None:
        """The limits; None if none is set."""
        windows = tuple(
            Window(unit, amount, period)
            for unit, texts in (
                (Unit.REQUESTS, self.requests),
                (Unit.TOKENS, self.tokens),
                (Unit.DOLLARS, self.dollars),
            )
            for amount, period in texts
        )
        return CallerLimits(self.streams, windows) if windows or self.streams is not None else None


class LimitStoreSection(Section):
    """What counts the limits of the callers."""

    store: StoreUrl | None = Field(
        None,
        description="URL of Redis or Valkey, which several processes share; with a password: "
        "env:NAME or file:PATH. Unset: each process counts for itself.",
    )
    without_store: Literal["local", "refuse"] = Field(
        "local",
        description="What happens while the store is away: each process counts for itself, or "
        "calls of callers with limits are refused.",
    )
