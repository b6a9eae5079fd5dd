"""FairSlots: how slots are assigned when there are too few."""

import asyncio
import random

import pytest

from support.fair_slots import GREEDY, POLITE, enqueue, filled
from tokenwire.server.fair_slots import FairSlots
from tokenwire.server.share_key import NOBODY, ShareKey

NEWCOMER, GONE, LEAVING, STAYING, FIRST, SECOND, LAST = map(
    ShareKey, ("newcomer", "gone", "leaving", "staying", "first", "second", "last")
)


async def test_one_key_alone_may_have_all() -> None:
    """A single key can take every slot, even after it was rejected."""
    fair = filled(3, 0)
    assert not fair.take(GREEDY)
    fair.claim(GREEDY)
    fair.release(GREEDY)
    assert fair.take(GREEDY)
    assert (fair.taken, fair.reserved()) == (3, 0)


async def test_the_next_slot_goes_to_who_holds_the_fewest() -> None:
    """A free slot goes to the waiting key that holds the fewest; equal keys take turns."""
    fair = filled(4, 10)
    greedy = await enqueue(fair, GREEDY, 3)
    first, second = await enqueue(fair, FIRST, 2), await enqueue(fair, SECOND, 2)
    # Each key holds one slot when the last two are released, so these are assigned in turn.
    for place in (first[0], second[0], greedy[0], first[1]):
        assert not place.done()
        fair.release(GREEDY)
        assert place.done()
    assert not any(place.done() for place in (*greedy[1:], second[1]))


async def test_a_full_queue_gives_places_to_those_with_fewer() -> None:
    """A full queue drops the last entry of the key with the most, until the shares are equal."""
    fair = filled(1, 4)
    greedy = await enqueue(fair, GREEDY, 4)
    polite = await enqueue(fair, POLITE, 2)
    assert [place.done() for place in greedy] == [False, False, True, True]
    assert not greedy[3].result()
    assert fair.queued == 4
    refused: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    assert not fair.enqueue(GREEDY, refused)
    assert not fair.enqueue(POLITE, refused)
    assert not any(place.done() for place in polite)


async def test_a_claim_keeps_a_slot() -> None:
    """A free slot is reserved for a key that was rejected below its share."""
    fair = filled(4, 0)
    fair.claim(POLITE)
    fair.release(GREEDY)
    assert fair.reserved() == 1
    assert not fair.take(GREEDY)
    assert fair.take(POLITE)
    assert fair.reserved() == 0
    # Each key is at or below its half, and no key was rejected.
    fair.release(GREEDY)
    assert fair.take(GREEDY)


async def test_who_has_left_has_no_claim() -> None:
    """A rejected call without a key, whose caller has left, reserves no slot."""
    fair = filled(4, 0)
    fair.claim(NOBODY)
    fair.release(GREEDY)
    assert fair.reserved() == 0
    assert fair.take(GREEDY)


async def test_a_newcomer_below_its_share_needs_no_claim() -> None:
    """A claim reserves a slot against keys at their share, not against keys below theirs."""
    fair = filled(4, 0)
    fair.claim(POLITE)
    fair.release(GREEDY)
    assert fair.take(NEWCOMER)
    assert not fair.take(POLITE)


async def test_a_claim_ends() -> None:
    """When a claim expires, its slot goes to a waiting call without a further request."""
    fair = filled(2, 1, claims=0.01)
    fair.claim(GONE)
    fair.release(GREEDY)
    [place] = await enqueue(fair, GREEDY)
    assert not place.done()
    async with asyncio.timeout(5):
        assert await place
    assert fair.reserved() == 0


async def test_who_leaves_gives_back_what_it_was_given() -> None:
    """A slot that was assigned to a call that has just left goes to the next one."""
    fair = filled(1, 2)
    [leaving] = await enqueue(fair, LEAVING)
    [staying] = await enqueue(fair, STAYING)
    fair.release(GREEDY)
    assert leaving.result()
    fair.leave(LEAVING, leaving)
    assert staying.result()


async def test_a_caller_is_no_connection() -> None:
    """A caller whose name is the address of a peer has a share of its own."""
    address = "ipv4:127.0.0.1:50051"
    fair = filled(2, 0, ShareKey(address))
    fair.claim(ShareKey(address, is_caller=True))
    fair.release(ShareKey(address))
    assert not fair.take(ShareKey(address))
    assert fair.take(ShareKey(address, is_caller=True))


def key_of(chance: random.Random) -> ShareKey:
    """Return a random key, one of a few more often than others."""
    name = str(chance.choice((0, 1, 2, 3, chance.randrange(1_000))))
    return ShareKey(name, low=chance.random() < 0.4)


@pytest.mark.parametrize("seed", range(5))
async def test_counts_hold_whatever_happens(seed: int) -> None:
    """After thousands of random operations with more keys than slots, the counts are correct."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not for security
    slots, places = 5, 7
    fair = FairSlots(slots, places, 0.0)
    held: list[ShareKey] = []
    waiting: list[tuple[ShareKey, asyncio.Future[bool]]] = []
    for _ in range(3_000):
        key = key_of(chance)
        step = chance.randrange(5)
        if step == 0 and fair.take(key):
            held.append(key)
        elif step == 1:
            place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            if fair.full:
                has_place = fair.has_place(key)
                assert fair.enqueue(key, place) == has_place
                waiting += [(key, place)] * has_place
        elif step == 2 and held:
            fair.release(held.pop(chance.randrange(len(held))))
        elif step == 3 and waiting:
            fair.leave(*waiting.pop(chance.randrange(len(waiting))))
        else:
            fair.claim(key)
        held += [each for each, place in waiting if place.done() and place.result()]
        waiting = [(each, place) for each, place in waiting if not place.done()]
        assert fair.taken == len(held) <= slots
        assert fair.queued == len(waiting) <= places
        assert fair.tracked_keys <= 3 * slots + places
    for key, place in waiting:
        fair.leave(key, place)
    for key in held:
        fair.release(key)
    assert fair.take(LAST)
    fair.release(LAST)
    fair.drop_expired_claims()
    assert (fair.taken, fair.queued, fair.tracked_keys) == (0, 0, 0)
