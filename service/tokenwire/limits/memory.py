"""Counts the limits of callers in the memory of this process."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tokenwire.core.limits import STREAMS, CallerLimits, Unit, Window
from tokenwire.limits.entries import (
    BUCKETS,
    ENDS,
    LIFETIME_SECONDS,
    NOTHING,
    EntryKind,
    Held,
    LeaseEntry,
    LimitRefusal,
    Totals,
)

STREAMS_RETRY_SECONDS: Final = 1.0
"""When another stream of the caller ends is unknown."""


@dataclass(slots=True)
class _Lease:
    number: int
    started: float
    totals: Totals
    held: Held
    expires: float
    settled: bool = False


class _WindowCount:
    """What was used within one window.

    Args:
        window: The window.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self._slides = bool(window.seconds)
        self._width = window.seconds / BUCKETS
        # By the number of the part, or by the begin of the calendar's period.
        self._parts: dict[int, int] = {}
        self._begin, self._end = 0, 0
        """The calendar's period."""
        self._next = math.inf
        """When a part leaves the window."""
        self.used = 0

    def advance(self, now: float) -> None:
        """Forget what has left the window."""
        if not self._slides:
            if not self._begin <= now < self._end:
                self._begin, self._end = self.window.bounds(now)
                for part in [part for part in self._parts if part < self._begin]:
                    self.used -= self._parts.pop(part)
        elif now >= self._next:
            for part in [part for part in self._parts if self._leaves(part) <= now]:
                self.used -= self._parts.pop(part)
            self._next = min(map(self._leaves, self._parts), default=math.inf)

    def used_at(self, now: float) -> int:
        """Return what is used at a time. Changes nothing, so that any thread may ask."""
        # Copied at once, because the thread of the event loop may add a part meanwhile.
        parts = self._parts.copy().items()
        if self._slides:
            return sum(amount for part, amount in parts if self._leaves(part) > now)
        begin, _ = self.window.bounds(now)
        return sum(amount for part, amount in parts if part >= begin)

    def add(self, amount: int, at: float, now: float, *, may_lower: bool) -> None:
        """Count an amount that was used at a time, after `advance`.

        Args:
            amount: The amount. A negative one corrects an estimate.
            at: The time.
            now: The current time.
            may_lower: Whether a window that slides is corrected by a negative amount too, because
                all of it was counted at that time.
        """
        if not amount:
            return
        if self._slides:
            part = math.floor(at / self._width)
            leaves = self._leaves(part)
            if leaves <= now:
                return
            if amount < 0 and not may_lower:
                return
            self._next = min(self._next, leaves)
        else:
            part = self._begin
            if at < part:
                return
        # What was counted in another part cannot be taken back in this one.
        amount = max(amount, -self._parts.get(part, 0))
        self._parts[part] = self._parts.get(part, 0) + amount
        self.used += amount

    def retry_after(self, missing: int, now: float) -> float:
        """Return the seconds until `missing` has left the window.

        Args:
            missing: The amount by which the window is too small for a call.
            now: The current time.
        """
        if not self._slides:
            return self._end - now
        for part in sorted(self._parts):
            missing -= self._parts[part]
            if missing <= 0:
                return self._leaves(part) - now
        # Running calls hold the rest, and may give it back at any time.
        return self._width

    def _leaves(self, part: int) -> float:
        return (part + 1) * self._width + self.window.seconds


@dataclass(slots=True)
class _Account:
    """The leases and windows of one caller."""

    leases: "OrderedDict[str, _Lease]" = field(default_factory=OrderedDict)
    streams: int = 0
    tokens: int = 0
    nanodollars: int = 0
    counts: dict[tuple[Unit, str], _WindowCount] = field(default_factory=dict)

    def held(self, unit: Unit) -> int:
        match unit:
            case Unit.TOKENS:
                return self.tokens
            case Unit.DOLLARS:
                return self.nanodollars
            case Unit.REQUESTS:
                return 0


class MemoryStore:
    """Counts the limits in memory.

    This is the reference of the script for Redis, which must answer the same.

    Args:
        expires: Whether leases are forgotten LIFETIME_SECONDS after their last entry, because a
            process may die before their end. Those that have ended are then known for as long, so
            that entries may come twice. Otherwise they are known until their end, however long
            nothing is heard of them.
    """

    def __init__(self, *, expires: bool = False) -> None:
        self._expires = expires
        self._accounts: dict[str, _Account] = {}

    def apply(
        self,
        caller: str,
        limits: CallerLimits,
        entries: Sequence[LeaseEntry],
        now: float,
        *,
        enforce: bool = True,
    ) -> list[LimitRefusal | None]:
        """Apply entries of one caller, one after the other.

        Args:
            caller: The caller's name.
            limits: Its limits.
            entries: The entries.
            now: The Unix time.
            enforce: Whether entries can be refused.

        Returns:
            A refusal, or None, for each entry.
        """
        account = self._accounts.get(caller)
        if account is None:
            account = self._accounts[caller] = _Account()
        counts = _counts_of(account, limits)
        if self._expires:
            _expire(account, now)
        for count in counts:
            count.advance(now)
        return [self._apply(account, limits, counts, entry, now, enforce) for entry in entries]

    def used(self, caller: str, limits: CallerLimits, now: float) -> dict[str, int]:
        """Return what is used and held of each limit, by its name; any thread may ask."""
        account = self._accounts.get(caller, _Account())
        found = {STREAMS: account.streams} if limits.streams is not None else {}
        for window in limits.windows:
            count = account.counts.get((window.unit, window.period))
            used = count.used_at(now) if count else 0
            found[window.name] = used + account.held(window.unit)
        return found

    def keep(self, callers: set[str]) -> None:
        """Forget all callers but these."""
        for caller in self._accounts.keys() - callers:
            del self._accounts[caller]

    def _apply(  # noqa: PLR0913, PLR0917 - the state of one step of `apply`
        self,
        account: _Account,
        limits: CallerLimits,
        counts: Sequence[_WindowCount],
        entry: LeaseEntry,
        now: float,
        enforce: bool,  # noqa: FBT001 - see above
    ) -> LimitRefusal | None:
        lease = account.leases.get(entry.lease)
        if self._counts_nothing(account, lease, entry, now):
            return None
        if entry.kind is EntryKind.TAKE and enforce:
            refusal = _refusal(account, limits, counts, entry, now)
            if refusal:
                return refusal
        if lease is None:
            lease = _begin(account, counts, entry, now)
        _charge(counts, lease, entry.totals, now)
        lease.number = entry.number
        lease.totals = entry.totals
        lease.expires = now + LIFETIME_SECONDS
        account.leases.move_to_end(entry.lease)
        _hold(account, lease, entry.held)
        if entry.kind in ENDS:
            if not lease.settled:
                account.streams -= 1
            lease.settled = True
            if not self._expires:
                del account.leases[entry.lease]
            return None
        if entry.kind is EntryKind.RENEW and enforce and any(entry.held):
            refusal = _overrun(account, counts, now)
            if refusal:
                _hold(account, lease, Held())
            return refusal
        return None

    def _counts_nothing(
        self, account: _Account, lease: _Lease | None, entry: LeaseEntry, now: float
    ) -> bool:
        if lease is not None:
            return entry.kind is EntryKind.TAKE or entry.number <= lease.number
        if entry.kind is not EntryKind.DROP:
            return False
        if self._expires:
            # Known as settled, so that the entry that takes it changes nothing if it comes later.
            expires = now + LIFETIME_SECONDS
            account.leases[entry.lease] = _Lease(
                entry.number, now, NOTHING, Held(), expires, settled=True
            )
        return True


def _counts_of(account: _Account, limits: CallerLimits) -> list[_WindowCount]:
    found = []
    for window in limits.windows:
        key = window.unit, window.period
        count = account.counts.get(key)
        if count is None:
            count = account.counts[key] = _WindowCount(window)
        count.window = window
        found.append(count)
    return found


def _expire(account: _Account, now: float) -> None:
    leases = account.leases
    while leases:
        name, lease = next(iter(leases.items()))
        if lease.expires > now:
            return
        _hold(account, lease, Held())
        if not lease.settled:
            account.streams -= 1
        del leases[name]


def _refusal(
    account: _Account,
    limits: CallerLimits,
    counts: Sequence[_WindowCount],
    entry: LeaseEntry,
    now: float,
) -> LimitRefusal | None:
    if limits.streams is not None and account.streams >= limits.streams:
        return LimitRefusal(STREAMS, STREAMS_RETRY_SECONDS)
    for count in counts:
        window = count.window
        need = _need(entry, window.unit)
        over = count.used + account.held(window.unit) + need - window.amount
        if over > 0:
            never = need > window.amount
            return LimitRefusal(window.name, None if never else count.retry_after(over, now))
    return None


def _overrun(account: _Account, counts: Sequence[_WindowCount], now: float) -> LimitRefusal | None:
    """Return the first window in which more is used and held than it has."""
    for count in counts:
        over = count.used + account.held(count.window.unit) - count.window.amount
        if over > 0 and count.window.unit is not Unit.REQUESTS:
            return LimitRefusal(count.window.name, count.retry_after(over, now))
    return None


def _need(entry: LeaseEntry, unit: Unit) -> int:
    match unit:
        case Unit.TOKENS:
            return entry.totals.input_tokens + entry.totals.output_tokens + entry.held.tokens
        case Unit.DOLLARS:
            totals = entry.totals
            used = totals.input_nanodollars + totals.output_nanodollars
            return used + entry.held.nanodollars
        case Unit.REQUESTS:
            return 1


def _begin(
    account: _Account, counts: Sequence[_WindowCount], entry: LeaseEntry, now: float
) -> _Lease:
    """Add a lease that is new, or that has expired here and goes on."""
    started = now if entry.kind is EntryKind.TAKE else entry.started
    if entry.known is None:
        for count in counts:
            if count.window.unit is Unit.REQUESTS:
                count.add(1, started, now, may_lower=False)
    lease = _Lease(0, started, entry.known or NOTHING, Held(), now)
    account.leases[entry.lease] = lease
    account.streams += 1
    return lease


def _charge(counts: Sequence[_WindowCount], lease: _Lease, totals: Totals, now: float) -> None:
    """Count what was used since the last entry: the input at the start, the output now."""
    before = lease.totals
    for count in counts:
        match count.window.unit:
            case Unit.TOKENS:
                inputs = totals.input_tokens - before.input_tokens
                outputs = totals.output_tokens - before.output_tokens
            case Unit.DOLLARS:
                inputs = totals.input_nanodollars - before.input_nanodollars
                outputs = totals.output_nanodollars - before.output_nanodollars
            case Unit.REQUESTS:
                continue
        count.add(inputs, lease.started, now, may_lower=True)
        count.add(outputs, now, now, may_lower=False)


def _hold(account: _Account, lease: _Lease, held: Held) -> None:
    account.tokens += held.tokens - lease.held.tokens
    account.nanodollars += held.nanodollars - lease.held.nanodollars
    lease.held = held
