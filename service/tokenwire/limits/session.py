"""Asks a shared store within a time, and remembers what it has said and whether it is away."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from tokenwire.core.limits import STREAMS, CallerLimits
from tokenwire.limits.entries import LIFETIME_SECONDS
from tokenwire.limits.patience import answer_within
from tokenwire.limits.store import Batch, SharedStore, StoreError, StoreReply
from tokenwire.observability.metrics.labels import StoreFailureCause

ANSWER_SECONDS: Final = 0.25
"""The longest time for an answer of the store. After it the store counts as away."""

log = logging.getLogger(__name__)

OnAnswer: TypeAlias = Callable[[float, StoreError | None], None]
"""Called with the seconds that the store took, and its failure, or None if it answered."""


def ignore_answer(seconds: float, failure: StoreError | None) -> None:
    """Do nothing with an answer of the store."""
    del seconds, failure


class StoreSession:
    """Asks a shared store.

    Args:
        store: The store.
        on_answer: Called for each request to the store.

    Attributes:
        away: Whether the store did not answer the last time.
        on_answer: As above.
    """

    def __init__(self, store: SharedStore, on_answer: OnAnswer) -> None:
        self._store = store
        self._used: dict[str, tuple[float, Mapping[str, int]]] = {}
        self.away = False
        self.on_answer = on_answer

    async def ask(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Return the replies of the store to batches; without batches, ask whether it is there.

        Raises:
            StoreError: The store did not answer within ANSWER_SECONDS, or not as it should. Call
                `lose` then.
        """
        started = time.monotonic()
        try:
            replies = await answer_within(ANSWER_SECONDS, self._store.apply(batches))
        except TimeoutError:
            failure = StoreError(StoreFailureCause.TIMEOUT)
            self.on_answer(time.monotonic() - started, failure)
            raise failure from None
        except StoreError as error:
            self.on_answer(time.monotonic() - started, error)
            raise
        self.on_answer(time.monotonic() - started, None)
        if self.away:
            self.away = False
            log.info("the store of limits answers again")
        now = time.time()
        for batch, reply in zip(batches, replies, strict=True):
            self._used[batch.caller] = now, reply.used
        return replies

    def lose(self) -> bool:
        """Record that the store is away; return whether that is new."""
        is_new = not self.away
        self.away = True
        return is_new

    def used(self, caller: str, limits: CallerLimits, now: float) -> Mapping[str, int]:
        """Return what is used of each limit, as the store has said last; any thread may call this.

        Limits of which the store has said nothing, or too long ago, are absent.

        Args:
            caller: The caller's name.
            limits: Its limits.
            now: The Unix time.
        """
        since, used = self._used.get(caller, (0.0, {}))
        age = now - since
        known = {STREAMS} if age < LIFETIME_SECONDS else set()
        for window in limits.windows:
            if window.seconds:
                # Later, what was used may have left the window, and only the store would know.
                is_known = age < min(window.seconds, LIFETIME_SECONDS)
            else:
                is_known = since >= window.bounds(now)[0]
            if is_known:
                known.add(window.name)
        return {name: amount for name, amount in used.items() if name in known}

    def keep(self, callers: set[str]) -> None:
        """Forget what the store has said of all callers but these."""
        for caller in self._used.keys() - callers:
            del self._used[caller]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._store.aclose()
