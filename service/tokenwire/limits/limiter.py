"""Gives calls leases on the limits of their callers."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.limits import STREAMS, CallerLimits, Unit
from tokenwire.core.prices import Price
from tokenwire.limits.entries import LimitRefusal
from tokenwire.limits.lease import CallerLease
from tokenwire.limits.memory import MemoryStore
from tokenwire.limits.own import OwnLeases
from tokenwire.limits.session import OnAnswer, ignore_answer
from tokenwire.limits.shared import SharedLeases, ignore_lost


class Limiter:
    """Gives leases to calls.

    Without a shared store, the limits are counted in the memory of this process.

    Attributes:
        memory: What this process has used.
        shared: Tells the shared store of the leases; None without one.
        on_answer: Called for each request to the shared store.
        on_lost: Called for each lease that is forgotten before the shared store had its last state.
    """

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.shared: SharedLeases | None = None
        self.on_answer: OnAnswer = ignore_answer
        self.on_lost: Callable[[], None] = ignore_lost
        self._own = OwnLeases(self.memory)
        self._store: tuple[str, bool] | None = None
        # Stores that were replaced, until the leases of running calls have ended.
        self._replaced: dict[asyncio.Task[None], SharedLeases] = {}

    def use(self, url: str | None, *, refuse: bool) -> None:
        """Use a shared store for new calls; running ones keep the one with which they began.

        Args:
            url: The URL of the store, with its password; None for no store.
            refuse: Whether calls are refused while the store is away.
        """
        wanted = url and (url, refuse)
        if wanted == self._store:
            return
        self._store = wanted or None
        before = self.shared
        self.shared = None
        if url:
            # Only here, because few servers have a store.
            from tokenwire.limits.redis_store import RedisStore  # noqa: PLC0415 - see above

            self.shared = SharedLeases(
                RedisStore(url),
                self.memory,
                refuse=refuse,
                on_answer=self.on_answer,
                on_lost=self.on_lost,
            )
            self.shared.start()
        if before:
            task = asyncio.create_task(before.finish())
            self._replaced[task] = before
            task.add_done_callback(lambda ended: self._replaced.pop(ended, None))

    async def aclose(self) -> None:
        """Tell the stores what calls have used, and close their connections."""
        replaced = [*self._replaced]
        for task in replaced:
            task.cancel()
        if replaced:
            await asyncio.wait(replaced)
        if self.shared:
            await self.shared.aclose()

    @property
    def running(self) -> int:
        """The number of leases of running calls; any thread may ask for it."""
        shared = [*self._replaced.values(), *([self.shared] if self.shared else [])]
        return self._own.running + sum(each.running for each in shared)

    def keep(self, callers: set[str]) -> None:
        """Forget what all callers but these have used, as far as this process knows it."""
        self.memory.keep(callers)
        if self.shared:
            self.shared.session.keep(callers)

    async def take(
        self,
        call: CallRecord,
        *,
        price: Price | None,
        input_tokens: int,
        max_output_tokens: int | None,
    ) -> CallerLease:
        """Return a lease for a call, which must be settled when the call ends.

        Args:
            call: The call, whose caller has limits.
            price: The price of the tokens; None if it is unknown or nothing is charged.
            input_tokens: An estimate of the prompt's tokens.
            max_output_tokens: The most tokens of the answer; None if unknown.

        Raises:
            LimitReached: A limit has no room for the call.
            LimitsUnavailable: The store is away.
        """
        caller = call.caller
        assert caller is not None  # noqa: S101 - see above
        assert caller.limits is not None  # noqa: S101 - see above
        keeper = self.shared or self._own
        lease = CallerLease(
            os.urandom(16).hex(),
            caller.name,
            caller.limits,
            price=price,
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
            keeper=keeper,
            end=call.deadline.interrupt,
        )
        refusal = await keeper.take(lease)
        if refusal:
            raise _error(refusal, caller.limits)
        return lease

    def used(self, caller: str, limits: CallerLimits) -> Mapping[str, int]:
        """Return what is used and held of each limit, by its name, as far as this process knows.

        With a shared store it is what the store has said last. Any thread may ask.
        """
        now = time.time()
        found = self.memory.used(caller, limits, now)
        shared = self.shared
        said = shared.session.used(caller, limits, now) if shared else {}
        return {name: said.get(name, used) for name, used in found.items()}


def _error(refusal: LimitRefusal, limits: CallerLimits) -> errors.LimitReached:
    if refusal.limit == STREAMS:
        return errors.CallerTooManyStreams(refusal.limit, retry_after=refusal.retry_after)
    [unit] = [window.unit for window in limits.windows if window.name == refusal.limit]
    kind = errors.CallerBudgetExhausted if unit is Unit.DOLLARS else errors.CallerRateLimited
    return kind(refusal.limit, retry_after=refusal.retry_after)
