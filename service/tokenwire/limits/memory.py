"""Counts the limits of callers in the memory of this process."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tokenwire.core.limits import STREAMS, CallerLimits, Unit
from tokenwire.limits.entries import (
    ENDS,
    LIFETIME_SECONDS,
    NOTHING,
    EntryKind,
    Held,
    LeaseEntry,
    LimitRefusal,
    Totals,
)
from tokenwire.limits.window_count import REQUESTS, UNITS, WindowCount

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


@dataclass(slots=True)
class _Account:
    """The leases and windows of one caller.

    `held` has what all leases hold, by the index of the unit. `current` has the windows of
    `limits`, with which it was asked last.
    """

    leases: "OrderedDict[str, _Lease]" = field(default_factory=OrderedDict)
    streams: int = 0
    held: list[int] = field(default_factory=lambda: [0, 0, 0])
    counts: dict[tuple[Unit, str], WindowCount] = field(default_factory=dict)
    limits: CallerLimits | None = None
    current: Sequence[WindowCount] = ()


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
        if account.limits is not limits:
            account.limits, account.current = limits, _counts_of(account, limits)
        counts = account.current
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
            found[window.name] = used + account.held[UNITS.index(window.unit)]
        return found

    def keep(self, callers: set[str]) -> None:
        """Forget all callers but these."""
        for caller in self._accounts.keys() - callers:
            del self._accounts[caller]

    def _apply(  # noqa: PLR0913, PLR0917 - the state of one step of `apply`
        self,
        account: _Account,
        limits: CallerLimits,
        counts: Sequence[WindowCount],
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


def _counts_of(account: _Account, limits: CallerLimits) -> list[WindowCount]:
    found = []
    for window in limits.windows:
        key = window.unit, window.period
        count = account.counts.get(key)
        if count is None:
            count = account.counts[key] = WindowCount(window)
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
    counts: Sequence[WindowCount],
    entry: LeaseEntry,
    now: float,
) -> LimitRefusal | None:
    if limits.streams is not None and account.streams >= limits.streams:
        return LimitRefusal(STREAMS, STREAMS_RETRY_SECONDS)
    totals, held = entry.totals, entry.held
    needs = (
        1,
        totals.input_tokens + totals.output_tokens + held.tokens,
        totals.input_nanodollars + totals.output_nanodollars + held.nanodollars,
    )
    for count in counts:
        need = needs[count.unit]
        over = count.used + account.held[count.unit] + need - count.window.amount
        if over > 0:
            never = need > count.window.amount
            return LimitRefusal(count.window.name, None if never else count.retry_after(over, now))
    return None


def _overrun(account: _Account, counts: Sequence[WindowCount], now: float) -> LimitRefusal | None:
    """Return the first window in which more is used and held than it has."""
    for count in counts:
        over = count.used + account.held[count.unit] - count.window.amount
        if over > 0 and count.unit != REQUESTS:
            return LimitRefusal(count.window.name, count.retry_after(over, now))
    return None


def _begin(
    account: _Account, counts: Sequence[WindowCount], entry: LeaseEntry, now: float
) -> _Lease:
    """Add a lease that is new, or that has expired here and goes on."""
    started = now if entry.kind is EntryKind.TAKE else entry.started
    if entry.known is None:
        for count in counts:
            if count.unit == REQUESTS:
                count.add(1, started, now, may_lower=False)
    lease = _Lease(0, started, entry.known or NOTHING, Held(), now)
    account.leases[entry.lease] = lease
    account.streams += 1
    return lease


def _charge(counts: Sequence[WindowCount], lease: _Lease, totals: Totals, now: float) -> None:
    """Count what was used since the last entry: the input at the start, the output now."""
    before = lease.totals
    if totals == before:
        return
    inputs = (
        0,
        totals.input_tokens - before.input_tokens,
        totals.input_nanodollars - before.input_nanodollars,
    )
    outputs = (
        0,
        totals.output_tokens - before.output_tokens,
        totals.output_nanodollars - before.output_nanodollars,
    )
    for count in counts:
        if amount := inputs[count.unit]:
            count.add(amount, lease.started, now, may_lower=True)
        if amount := outputs[count.unit]:
            count.add(amount, now, now, may_lower=False)


def _hold(account: _Account, lease: _Lease, held: Held) -> None:
    account.held[1] += held.tokens - lease.held.tokens
    account.held[2] += held.nanodollars - lease.held.nanodollars
    lease.held = held
