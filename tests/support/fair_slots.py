"""FairSlots that are all held."""

import asyncio

from tokenwire.server.fair_slots import FairSlots
from tokenwire.server.share_key import ShareKey

FOR_EVER = 3_600.0
GREEDY, POLITE = ShareKey("greedy"), ShareKey("polite")


def filled(slots: int, places: int, key: ShareKey = GREEDY, claims: float = FOR_EVER) -> FairSlots:
    """Return slots that are all held by one key."""
    fair = FairSlots(slots, places, claims)
    assert all(fair.take(key) for _ in range(slots))
    return fair


async def enqueue(fair: FairSlots, key: ShareKey, count: int = 1) -> list[asyncio.Future[bool]]:
    """Add `count` calls to the queue, which must have room for them, and return their futures."""
    places = [asyncio.get_running_loop().create_future() for _ in range(count)]
    for place in places:
        assert fair.enqueue(key, place)
    return places
