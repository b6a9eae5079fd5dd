"""Keeps a shared store informed of this process's leases, without making a token wait for it."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tokenwire.core import errors
from tokenwire.core.limits import STREAMS
from tokenwire.limits.entries import LIFETIME_SECONDS, LeaseEntry, LimitRefusal
from tokenwire.limits.lease import CallerLease
from tokenwire.limits.memory import MemoryStore
from tokenwire.limits.patience import answer_within
from tokenwire.limits.session import ANSWER_SECONDS, OnAnswer, StoreSession
from tokenwire.limits.store import Batch, SharedStore, StoreError
from tokenwire.limits.takes import LeaseTakes
from tokenwire.observability.metrics.labels import StoreFailureCause

ROUND_SECONDS: Final = 0.02
"""The pause between two rounds of renewals, so that one round has those of many leases."""
RETRY_SECONDS: Final = 1.0
"""The time between two attempts while the store is away."""
KEEP_ALIVE_SECONDS: Final = LIFETIME_SECONDS / 3
POLL_SECONDS: Final = 5.0
FINISH_SECONDS: Final = LIFETIME_SECONDS
MAX_ENTRIES: Final = 1_000
"""The most entries of one round."""
MAX_UNSENT: Final = 100_000
"""The most leases whose state waits for the store; beyond it, the oldest are forgotten."""

log = logging.getLogger(__name__)


def ignore_lost() -> None:
    """Do nothing with a lease that is forgotten."""


class SharedLeases:
    """Sends the state of leases to a shared store.

    Args:
        store: The store.
        memory: Counts what this process uses, and decides while the store is away.
        refuse: Whether calls are refused while the store is away, instead of counted in memory.
        on_answer: Called for each request to the store.
        on_lost: Called for each lease that is forgotten before the store had its last state.

    Attributes:
        session: Asks the store.
        refuse: As above.
        on_lost: As above.
        beginning: The number of calls that wait for the store, or for their second question to it.
    """

    def __init__(
        self,
        store: SharedStore,
        memory: MemoryStore,
        *,
        refuse: bool,
        on_answer: OnAnswer,
        on_lost: Callable[[], None],
    ) -> None:
        self._memory = memory
        self.session = StoreSession(store, on_answer)
        self.refuse = refuse
        self.on_lost = on_lost
        self._running: set[CallerLease] = set()
        self.beginning = 0
        self._unsent: dict[CallerLease, None] = {}
        self._takes = LeaseTakes(self.session.ask)
        self._asked = 0
        self._wake = asyncio.Event()
        self._round_done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether the store did not answer the last time."""
        return self.session.away

    @property
    def running(self) -> int:
        """The number of leases of running calls."""
        return len(self._running)

    @property
    def unsent(self) -> int:
        """The number of leases whose state waits for the store, or for its answer."""
        return len(self._unsent) + self._asked

    def start(self) -> None:
        """Start to send."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Send what waits, if the store answers, and close the connections."""
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._takes.aclose()
        with contextlib.suppress(StoreError, TimeoutError):
            while self._unsent and not self.away:
                await self._send()
        for _ in self._unsent:
            self.on_lost()
        await self.session.aclose()

    async def finish(self) -> None:
        """Close the connections once all running calls have ended and the store knows it.

        A store that stays away is given up FINISH_SECONDS after the last of them.
        """
        try:
            while self._running or self.beginning:
                await self._round_done.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FINISH_SECONDS):
                    while self._unsent:
                        await self._round_done.wait()
        finally:
            await self.aclose()

    async def take(self, lease: CallerLease) -> LimitRefusal | None:
        """Take a lease; wait for the store for at most ANSWER_SECONDS, and not while it is away.

        If too many calls run, the store is asked once more a moment later.

        Raises:
            LimitsUnavailable: The store is away, and calls are refused then.
        """
        self.beginning += 1
        try:
            return await self._take(lease)
        finally:
            self.beginning -= 1

    async def _take(self, lease: CallerLease) -> LimitRefusal | None:
        entry = lease.take()
        if self.away:
            return self._take_alone(lease, entry)
        try:
            refusal = await self._ask_to_take(lease, entry)
            if refusal and refusal.limit == STREAMS:
                # A call that has just ended counts until the next round of its server.
                await asyncio.sleep(2 * ROUND_SECONDS)
                entry = lease.take()
                refusal = await self._ask_to_take(lease, entry)
        except StoreError as error:
            self._lose(error)
        except asyncio.CancelledError:
            self._drop(lease)
            raise
        else:
            if refusal is None:
                self._running.add(lease)
                lease.confirm(entry)
                self._count(lease, entry, enforce=False)
            return refusal
        try:
            refusal = self._take_alone(lease, entry)
        except errors.LimitsUnavailable:
            self._drop(lease)
            raise
        if refusal:
            self._drop(lease)
        return refusal

    async def _ask_to_take(self, lease: CallerLease, entry: LeaseEntry) -> LimitRefusal | None:
        try:
            return await answer_within(ANSWER_SECONDS, self._takes.take(lease, entry))
        except TimeoutError:
            raise StoreError(StoreFailureCause.TIMEOUT) from None

    def renew(self, lease: CallerLease) -> None:
        """Have the next slice of a lease reserved in the background, or by memory at once."""
        if self.away and not self.refuse:
            # Not with the attempts to reach the store, which are seconds apart.
            _end_if(self._count(lease, lease.renew(), enforce=True), lease)
        elif self.away and lease.output_tokens >= lease.reserved_to:
            lease.end(errors.LimitsUnavailable)
        self._queue(lease)

    def settle(self, lease: CallerLease) -> None:
        """Have the end of a lease sent in the background."""
        self._running.discard(lease)
        # Here and not with every attempt to send it, because memory has it for sure.
        self._count(lease, lease.renew(), enforce=False)
        self._queue(lease)

    async def caught_up(self, lease: CallerLease) -> None:
        """Wait until the store has answered, or is away, if a lease is overdrawn."""
        while lease.overdrawn and not self.away:
            await self._round_done.wait()
        if lease.overdrawn and self.refuse:
            lease.end(errors.LimitsUnavailable)

    def _take_alone(self, lease: CallerLease, entry: LeaseEntry) -> LimitRefusal | None:
        if self.refuse:
            raise errors.LimitsUnavailable(retry_after=RETRY_SECONDS)
        refusal = self._count(lease, entry, enforce=True)
        if refusal is None:
            self._running.add(lease)
        return refusal

    def _drop(self, lease: CallerLease) -> None:
        """Have the store forget a lease that it may have taken."""
        lease.drop()
        self._queue(lease)

    def _queue(self, lease: CallerLease) -> None:
        self._unsent[lease] = None
        while len(self._unsent) > MAX_UNSENT:
            del self._unsent[next(iter(self._unsent))]
            self.on_lost()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            # Not by wait_for, which drops a cancellation at the moment of the event (Python 3.11).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            self._queue_silent()
            try:
                await self._send()
            except StoreError as error:
                self._lose(error)
            except Exception:
                # Renewals must go on, or every running answer would end.
                log.exception("leases could not be renewed")
            finally:
                self._round_done.set()
                self._round_done = asyncio.Event()
            if self._unsent:
                self._wake.set()
            await asyncio.sleep(RETRY_SECONDS if self.away else ROUND_SECONDS)

    def _queue_silent(self) -> None:
        """Queue the leases that would expire in the store."""
        before = time.monotonic() - KEEP_ALIVE_SECONDS
        for lease in self._running:
            if lease.sent < before:
                self._unsent[lease] = None

    async def _send(self) -> None:
        """Send the state of the leases that wait.

        Raises:
            StoreError: The store did not answer. They wait again.
        """
        leases = list(itertools.islice(self._unsent, MAX_ENTRIES))
        if not leases and not self.away:
            return
        sent: dict[str, list[tuple[CallerLease, LeaseEntry]]] = {}
        for lease in leases:
            del self._unsent[lease]
            entry = lease.renew()
            sent.setdefault(lease.caller, []).append((lease, entry))
            if not lease.settled:
                refusal = self._count(lease, entry, enforce=self.away and not self.refuse)
                _end_if(refusal, lease)
        batches = [
            Batch(caller, pairs[-1][0].limits, [entry for _, entry in pairs])
            for caller, pairs in sent.items()
        ]
        self._asked = len(leases)
        try:
            replies = await self.session.ask(batches)
        except BaseException:
            # Before those that were queued in the meantime, so that the oldest stay first.
            self._unsent = dict.fromkeys([*leases, *self._unsent])
            raise
        finally:
            self._asked = 0
        for pairs, reply in zip(sent.values(), replies, strict=True):
            for (lease, entry), refusal in zip(pairs, reply.refusals, strict=True):
                lease.confirm(entry)
                _end_if(refusal, lease)

    def _lose(self, error: StoreError) -> None:
        if self.session.lose():
            then = "refused" if self.refuse else "counted by this process alone"
            log.error(
                "the store of limits is away", extra={"cause": error.cause.value, "calls": then}
            )
        self._wake.set()

    def _count(
        self, lease: CallerLease, entry: LeaseEntry, *, enforce: bool
    ) -> LimitRefusal | None:
        now = time.time()
        [refusal] = self._memory.apply(lease.caller, lease.limits, [entry], now, enforce=enforce)
        return refusal


def _end_if(refusal: LimitRefusal | None, lease: CallerLease) -> None:
    """End the call of a lease whose next slice is refused."""
    if refusal and not lease.settled:
        lease.end(partial(errors.CallerBudgetExhausted, refusal.limit))
