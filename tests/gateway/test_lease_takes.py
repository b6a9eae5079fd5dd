"""Leases that are taken from a shared store at once share requests."""

import asyncio
from collections.abc import Sequence

import pytest

from tokenwire.core.limits import CallerLimits
from tokenwire.limits.lease import CallerLease
from tokenwire.limits.memory import MemoryStore
from tokenwire.limits.own import OwnLeases
from tokenwire.limits.store import Batch, StoreError, StoreReply
from tokenwire.limits.takes import MAX_LEASES, MAX_REQUESTS, LeaseTakes
from tokenwire.observability.metrics.labels import StoreFailureCause

LIMITS = CallerLimits(10)
KEEPER = OwnLeases(MemoryStore())


def lease(number: int, caller: str) -> CallerLease:
    """Return a new lease."""
    return CallerLease(
        str(number),
        caller,
        LIMITS,
        price=None,
        input_tokens=1,
        max_output_tokens=1,
        keeper=KEEPER,
        end=lambda _: None,
    )


class HeldStore:
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Batch]] = []
        self.answer = asyncio.Event()
        self.failure: StoreError | None = None

    async def ask(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Answer batches."""
        self.asked.append(batches)
        await self.answer.wait()
        if self.failure:
            raise self.failure
        return [StoreReply([None] * len(batch.entries), {}) for batch in batches]


async def begin(takes: LeaseTakes, number: int) -> list[asyncio.Task[object]]:
    """Begin to take leases of two callers, and wait until those that may be are on their way."""
    waiting = takes.waiting
    leases = [lease(index, f"caller-{index % 2}") for index in range(number)]
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(takes.take(each, each.take())) for each in leases
    ]
    while takes.waiting < waiting + number:  # noqa: ASYNC110 - a state, not an event
        await asyncio.sleep(0)
    # Their request begins in a task of its own.
    await asyncio.sleep(0)
    return tasks


async def test_leases_share_requests() -> None:
    """While the store answers nothing, few requests run; what waits then shares the next ones."""
    store = HeldStore()
    takes = LeaseTakes(store.ask)
    tasks = [task for _ in range(MAX_REQUESTS) for task in await begin(takes, 1)]
    assert len(store.asked) == MAX_REQUESTS
    tasks += await begin(takes, 2 * MAX_LEASES)
    assert len(store.asked) == MAX_REQUESTS
    store.answer.set()
    assert await asyncio.gather(*tasks) == [None] * len(tasks)
    assert len(store.asked) == MAX_REQUESTS + 2
    assert takes.waiting == 0


@pytest.mark.parametrize("how", ["fails", "ends"])
async def test_each_lease_learns_of_a_failure(how: str) -> None:
    """If the store fails, or the server ends, each call that waits is told so."""
    store = HeldStore()
    takes = LeaseTakes(store.ask)
    tasks = await begin(takes, 10)
    if how == "fails":
        store.failure = StoreError(StoreFailureCause.TIMEOUT)
        store.answer.set()
    else:
        await takes.aclose()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    assert len({id(result) for result in results}) == len(results)


async def test_a_lease_that_nobody_waits_for_is_not_taken() -> None:
    """A call that ends while its lease waits for a request takes none."""
    store = HeldStore()
    takes = LeaseTakes(store.ask)
    tasks = [task for _ in range(MAX_REQUESTS) for task in await begin(takes, 1)]
    [late] = await begin(takes, 1)
    late.cancel()
    await asyncio.wait((late,))
    store.answer.set()
    await asyncio.gather(*tasks)
    assert len(store.asked) == MAX_REQUESTS
