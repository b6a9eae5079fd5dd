"""FairSlots: how keys of low priority wait."""

import asyncio
import random

import pytest

from support.fair_slots import FOR_EVER, GREEDY, POLITE, enqueue, filled
from tokenwire.server.fair_slots import LOW_TURN, FairSlots
from tokenwire.server.share_key import ShareKey

BATCH, REPORTS = (ShareKey(name, is_caller=True, low=True) for name in ("batch", "reports"))


async def test_low_priority_waits() -> None:
    """A free slot goes to a later call of normal priority, though its key holds more slots."""
    fair = filled(4, 10)
    [low] = await enqueue(fair, BATCH)
    later = await enqueue(fair, GREEDY, 2)
    for place in (*later, low):
        assert not place.done()
        fair.release(GREEDY)
        assert place.result()


async def test_low_priority_gives_its_place_in_a_full_queue() -> None:
    """A full queue drops the last entry of low priority, until only normal ones are left."""
    fair = filled(1, 3)
    [other] = await enqueue(fair, REPORTS)
    batch = await enqueue(fair, BATCH, 2)
    assert not fair.has_place(BATCH)
    normal = await enqueue(fair, GREEDY)
    assert [place.done() for place in (*batch, other)] == [False, True, False]
    assert not batch[1].result()
    assert not fair.has_place(BATCH)
    refused: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    assert not fair.enqueue(BATCH, refused)
    normal += await enqueue(fair, GREEDY, 2)
    assert not batch[0].result()
    assert not other.result()
    assert fair.queued == 3
    assert not fair.has_place(GREEDY)
    assert fair.has_place(POLITE)
    assert not fair.enqueue(BATCH, refused)
    assert not any(place.done() for place in normal)


async def test_claims_of_low_priority_hold_nothing_from_others() -> None:
    """A slot that is reserved for a key of low priority is free for keys of normal priority."""
    fair = filled(2, 0, REPORTS)
    fair.claim(BATCH)
    fair.release(REPORTS)
    assert fair.reserved() == 1
    assert not fair.take(REPORTS)
    assert fair.take(GREEDY)
    fair.release(GREEDY)
    assert fair.take(BATCH)


async def test_a_claim_holds_a_slot_from_low_priority() -> None:
    """A slot that is reserved for a key of normal priority is not free for low ones below theirs.

    The share of the key is that of normal keys, however many low ones there are.
    """
    fair = FairSlots(6, 0, FOR_EVER)
    taken = (GREEDY, GREEDY, BATCH, BATCH, BATCH, REPORTS)
    assert all(fair.take(key) for key in taken)
    fair.claim(GREEDY)
    fair.release(REPORTS)
    assert not fair.take(REPORTS)
    assert fair.take(GREEDY)


async def test_shares_among_low_priority() -> None:
    """Keys of low priority share what the others leave."""
    fair = FairSlots(6, 0, FOR_EVER)
    taken = (GREEDY, GREEDY, BATCH, BATCH, BATCH, BATCH)
    assert all(fair.take(key) for key in taken)
    fair.claim(REPORTS)
    fair.release(BATCH)
    assert not fair.take(BATCH)
    assert fair.take(REPORTS)
    fair.claim(REPORTS)
    fair.release(BATCH)
    assert not fair.take(BATCH)
    assert fair.take(REPORTS)
    fair.claim(REPORTS)
    fair.release(BATCH)
    assert fair.take(BATCH)


async def test_low_priority_gets_a_turn() -> None:
    """One slot in ten goes to a key of low priority though others wait, up to a tenth of all."""
    slots = 2 * LOW_TURN
    fair = filled(slots, 1_000)
    low = await enqueue(fair, BATCH, 5)
    await enqueue(fair, GREEDY, 100)
    order = []
    for _ in range(4 * LOW_TURN):
        before = sum(place.done() for place in low)
        fair.release(GREEDY)
        order.append(sum(place.done() for place in low) > before)
    assert [turn for turn, given in enumerate(order, 1) if given] == [LOW_TURN, 2 * LOW_TURN]
    fair.release(BATCH)
    assert low[2].result()


async def test_low_priority_gets_a_turn_without_a_place() -> None:
    """A turn of low priority is also one in a queue full of others, and before their claims."""
    fair = filled(1, 1)
    for _ in range(LOW_TURN - 1):
        [place] = await enqueue(fair, GREEDY)
        assert not fair.has_place(BATCH)
        fair.claim(BATCH)
        fair.release(GREEDY)
        assert place.result()
    [place] = await enqueue(fair, GREEDY)
    assert fair.has_place(BATCH)
    [low] = await enqueue(fair, BATCH)
    assert not place.result()
    fair.release(GREEDY)
    assert low.result()
    alone = filled(1, 0)
    for _ in range(LOW_TURN - 1):
        alone.claim(BATCH)
        alone.release(GREEDY)
        assert alone.take(GREEDY)
    alone.claim(POLITE)
    alone.release(GREEDY)
    assert alone.take(BATCH)


@pytest.mark.parametrize("seed", range(5))
async def test_low_priority_neither_starves_nor_takes_more(seed: int) -> None:
    """While others always wait, low priority gets slots, but never more than a tenth of them."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not for security
    slots, places = 30, 8
    fair = filled(slots, places)
    held, waiting = [GREEDY] * slots, list[tuple[ShareKey, asyncio.Future[bool]]]()
    given = 0
    for _ in range(3_000):
        key = chance.choice((GREEDY, POLITE))
        while not any(not each.low for each, _ in waiting):
            waiting += [(key, place) for place in await enqueue(fair, key)]
        if chance.random() < 0.5:
            key = chance.choice((BATCH, REPORTS))
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if fair.enqueue(key, place):
            waiting.append((key, place))
        else:
            fair.claim(key)
        # Calls of low priority are long.
        ending = chance.randrange(slots)
        if not held[ending].low or chance.random() < 0.3:
            fair.release(held.pop(ending))
        admitted = [each for each, place in waiting if place.done() and place.result()]
        held += admitted
        given += sum(each.low for each in admitted)
        waiting = [(each, place) for each, place in waiting if not place.done()]
        assert sum(each.low for each in held) <= slots // LOW_TURN
        assert (fair.taken, fair.queued) == (len(held), len(waiting))
    assert given > slots
