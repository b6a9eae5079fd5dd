"""A call's lease on the windows of its caller."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol, TypeAlias

from tokenwire.core.domain import Usage
from tokenwire.core.errors import ServiceError
from tokenwire.core.limits import CallerLimits
from tokenwire.core.prices import Price
from tokenwire.limits.entries import ENDS, EntryKind, Held, LeaseEntry, LimitRefusal, Totals

SLICE_TOKENS: Final = 256
"""The output tokens that are reserved at a time."""
RENEW_TOKENS: Final = SLICE_TOKENS // 2
"""The output tokens after which the next slice is reserved."""

EndCall: TypeAlias = Callable[[Callable[[], ServiceError]], None]
"""Ends a call with the error that a function returns."""


class LeaseKeeper(Protocol):
    """Reserves the slices of leases."""

    async def take(self, lease: "CallerLease") -> LimitRefusal | None:
        """Reserve the first slice.

        Returns:
            Why not, if a limit has no room; the lease then has no effect.

        Raises:
            LimitsUnavailable: That cannot be known now.
        """
        ...

    def renew(self, lease: "CallerLease") -> None:
        """Reserve the next slice, now or in the background."""
        ...

    def settle(self, lease: "CallerLease") -> None:
        """Count what a lease that ends has used, now or in the background."""
        ...

    async def caught_up(self, lease: "CallerLease") -> None:
        """Wait until enough is reserved, if a lease is overdrawn."""
        ...


class CallerLease:
    """What a call has used and reserves.

    Args:
        id: A unique id.
        caller: The caller's name.
        limits: The caller's limits.
        price: The price of the tokens; None if it is unknown or nothing is charged.
        input_tokens: An estimate of the prompt's tokens.
        max_output_tokens: The most tokens of the answer; None if unknown.
        keeper: Reserves the slices.
        end: Ends the call with an error.

    Attributes:
        caller: The caller's name.
        limits: The caller's limits.
        end: Ends the call with an error.
        output_tokens: The tokens of the answer so far.
        reserved_to: The output tokens up to which a store has reserved, as confirmed by it.
        settled: Whether the call has ended.
        sent: When the last entry was made, on the clock of `time.monotonic`.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of the call
        self,
        id: str,  # noqa: A002 - its name
        caller: str,
        limits: CallerLimits,
        *,
        price: Price | None,
        input_tokens: int,
        max_output_tokens: int | None,
        keeper: "LeaseKeeper",
        end: EndCall,
    ) -> None:
        self.caller = caller
        self.limits = limits
        self.end = end
        self.output_tokens = 0
        self.reserved_to = 0
        self.settled = False
        self._dropped = False
        self.sent = time.monotonic()
        self._id = id
        self._price = price
        self._max_output_tokens = max_output_tokens
        self._keeper = keeper
        self._number = 0
        self._started = time.time()
        self._usage = Usage(input_tokens=input_tokens, output_tokens=0)
        self._renew_at = 0.0
        self._known: Totals | None = None

    @property
    def overdrawn(self) -> bool:
        """Whether more than a slice was used beyond what is reserved."""
        return self.output_tokens > self.reserved_to + SLICE_TOKENS

    async def caught_up(self) -> None:
        """Wait until enough is reserved, if the lease is overdrawn."""
        await self._keeper.caught_up(self)

    def add(self, tokens: int) -> None:
        """Count output tokens that have arrived, and have the next slice reserved in time."""
        self.output_tokens += tokens
        if self.output_tokens >= self._renew_at:
            self._renew_at = self.output_tokens + RENEW_TOKENS
            self._keeper.renew(self)

    def take(self) -> LeaseEntry:
        """Return the entry that takes the lease."""
        return self._next(EntryKind.TAKE)

    def renew(self) -> LeaseEntry:
        """Return the entry that reserves the next slice; the last one if the lease has ended."""
        if self._dropped:
            return self._next(EntryKind.DROP)
        return self._next(EntryKind.SETTLE if self.settled else EntryKind.RENEW)

    def settle(self, usage: Usage | None, *, paid: bool) -> None:
        """End the lease. A second call is a no-op.

        Args:
            usage: What the upstream has reported; None if it did not.
            paid: Whether anything was received from the upstream, which then has to be paid.
        """
        if self.settled:
            return
        self.settled = True
        if not paid:
            self._usage = Usage(input_tokens=0, output_tokens=0)
            self.output_tokens = 0
        elif usage is not None:
            self._usage = usage
            self.output_tokens = usage.output_tokens
        self._keeper.settle(self)

    def drop(self) -> None:
        """End the lease of a call that was not let through, though a store may have taken it."""
        self.settled = self._dropped = True
        self._usage = Usage(input_tokens=0, output_tokens=0)

    def confirm(self, entry: LeaseEntry) -> None:
        """Record that a store has an entry."""
        self._known = entry.totals
        self.reserved_to = entry.totals.output_tokens + entry.held.tokens

    def _next(self, kind: EntryKind) -> LeaseEntry:
        self._number += 1
        self.sent = time.monotonic()
        self._renew_at = self.output_tokens + RENEW_TOKENS
        return LeaseEntry(
            kind,
            self._id,
            self._number,
            self._started,
            self._known,
            self._totals(),
            Held() if kind in ENDS else self._slice(),
        )

    def _slice(self) -> Held:
        tokens = SLICE_TOKENS
        left = (self._max_output_tokens or 0) - self.output_tokens
        # Some upstreams exceed what was asked for, or do not count reasoning against it.
        if self._max_output_tokens is not None and left >= 0:
            tokens = min(tokens, left)
        price = self._price
        cost = price.nanodollars(Usage(input_tokens=0, output_tokens=tokens)) if price else 0
        return Held(tokens, cost)

    def _totals(self) -> Totals:
        inputs, outputs = self._usage.input_tokens, self.output_tokens
        price = self._price
        if price is None:
            return Totals(inputs, 0, outputs, 0)
        return Totals(
            inputs,
            price.nanodollars(replace(self._usage, output_tokens=0)),
            outputs,
            price.nanodollars(Usage(input_tokens=0, output_tokens=outputs)),
        )
