"""FairSlots: how slots are assigned when there are too few."""

import asyncio
import random

import pytest

from tokenwire.server.fair_slots import FairSlots

FOR_EVER = 3_600.0


def filled(slots: int, places: int, key: str = "greedy", claims: float = FOR_EVER) -> FairSlots:
    """Return slots that are all held by one key."""
    fair = FairSlots(slots, places, claims)
    assert all(fair.take(key) for _ in range(slots))
    return fair


async def enqueue(fair: FairSlots, key: str, count: int = 1) -> list[asyncio.Future[bool]]:
    """Add `count` calls to the queue, which must have room for them, and return their futures."""
    places = [asyncio.get_running_loop().create_future() for _ in range(count)]
    for place in places:
        assert fair.enqueue(key, place)
    return places


async def test_one_key_alone_may_have_all() -> None:
    """A single key can take every slot, even after it was rejected."""
    fair = filled(3, 0)
    assert not fair.take("greedy")
    fair.claim("greedy")
    fair.release("greedy")
    assert fair.take("greedy")
    assert (fair.taken, fair.reserved()) == (3, 0)


async def test_the_next_slot_goes_to_who_holds_the_fewest() -> None:
    """A free slot goes to the waiting key that holds the fewest; equal keys take turns."""
    fair = filled(4, 10)
    greedy = await enqueue(fair, "greedy", 3)
    first, second = await enqueue(fair, "first", 2), await enqueue(fair, "second", 2)
    # Each key holds one slot when the last two are released, so these are assigned in turn.
    for place in (first[0], second[0], greedy[0], first[1]):
        assert not place.done()
        fair.release("greedy")
        assert place.done()
    assert not any(place.done() for place in (*greedy[1:], second[1]))


async def test_a_full_queue_gives_places_to_those_with_fewer() -> None:
    """A full queue drops the last entry of the key with the most, until the shares are equal."""
    fair = filled(1, 4)
    greedy = await enqueue(fair, "greedy", 4)
    polite = await enqueue(fair, "polite", 2)
    assert [place.done() for place in greedy] == [False, False, True, True]
    assert not greedy[3].result()
    assert fair.queued == 4
    refused: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    assert not fair.enqueue("greedy", refused)
    assert not fair.enqueue("polite", refused)
    assert not any(place.done() for place in polite)


async def test_a_claim_keeps_a_slot() -> None:
    """A free slot is reserved for a key that was rejected below its share."""
    fair = filled(4, 0)
    fair.claim("polite")
    fair.release("greedy")
    assert fair.reserved() == 1
    assert not fair.take("greedy")
    assert fair.take("polite")
    assert fair.reserved() == 0
    # Each key is at or below its half, and no key was rejected.
    fair.release("greedy")
    assert fair.take("greedy")


async def test_who_has_left_has_no_claim() -> None:
    """A rejected call without a key, whose caller has left, reserves no slot."""
    fair = filled(4, 0)
    fair.claim("")
    fair.release("greedy")
    assert fair.reserved() == 0
    assert fair.take("greedy")


async def test_a_newcomer_below_its_share_needs_no_claim() -> None:
    """A claim reserves a slot against keys at their share, not against keys below theirs."""
    fair = filled(4, 0)
    fair.claim("polite")
    fair.release("greedy")
    assert fair.take("newcomer")
    assert not fair.take("polite")


async def test_a_claim_ends() -> None:
    """When a claim expires, its slot goes to a waiting call without a further request."""
    fair = filled(2, 1, claims=0.01)
    fair.claim("gone")
    fair.release("greedy")
    [place] = await enqueue(fair, "greedy")
    assert not place.done()
    async with asyncio.timeout(5):
        assert await place
    assert fair.reserved() == 0


async def test_who_leaves_gives_back_what_it_was_given() -> None:
    """A slot that was assigned to a call that has just left goes to the next one."""
    fair = filled(1, 2)
    [leaving] = await enqueue(fair, "leaving")
    [staying] = await enqueue(fair, "staying")
    fair.release("greedy")
    assert leaving.result()
    fair.leave("leaving", leaving)
    assert staying.result()


@pytest.mark.parametrize("seed", range(5))
async def test_counts_hold_whatever_happens(seed: int) -> None:
    """After thousands of random operations with more keys than slots, the counts are correct."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not for security
    slots, places = 5, 7
    fair = FairSlots(slots, places, 0.0)
    held: list[str] = []
    waiting: list[tuple[str, asyncio.Future[bool]]] = []
    for _ in range(3_000):
        key = str(chance.choice((0, 1, 2, 3, chance.randrange(1_000))))
        step = chance.randrange(5)
        if step == 0 and fair.take(key):
            held.append(key)
        elif step == 1:
            place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            if fair.full and fair.enqueue(key, place):
                waiting.append((key, place))
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
        assert fair.tracked_keys <= 2 * slots + places
    for key, place in waiting:
        fair.leave(key, place)
    for key in held:
        fair.release(key)
    assert fair.take("last")
    fair.release("last")
    fair.drop_expired_claims()
    assert (fair.taken, fair.queued, fair.tracked_keys) == (0, 0, 0)
