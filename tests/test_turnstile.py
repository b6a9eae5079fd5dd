"""A crowd of writes passes turn by turn, and the event loop has time for others between."""

import asyncio

from tokenwire.turnstile import Turnstile


async def come(turnstile: Turnstile, name: str, passed: list[str]) -> None:
    if turnstile.crowded():
        await turnstile.wait()
    passed.append(name)


async def test_who_comes_alone_passes_at_once() -> None:
    """Without a crowd nobody waits, however often one comes."""
    turnstile = Turnstile(per_turn=1)
    for _ in range(3):
        assert not turnstile.crowded()
        # Two turns: in the first one ends what has begun.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_crowd_passes_in_order_and_in_parts() -> None:
    """Of a crowd so many pass a turn, in the order in which they came, before any newcomer."""
    turnstile = Turnstile(per_turn=2)
    passed: list[str] = []
    crowd = [asyncio.create_task(come(turnstile, name, passed)) for name in "abcde"]
    await asyncio.sleep(0)
    assert passed == ["a", "b"]
    newcomer = asyncio.create_task(come(turnstile, "f", passed))
    await crowd[2]
    assert passed[:3] == ["a", "b", "c"]
    assert len(passed) <= 4
    await asyncio.gather(*crowd, newcomer)
    assert passed == list("abcdef")


async def test_who_leaves_the_crowd_holds_up_nobody() -> None:
    """A call that ends while it waits gives its place to the next."""
    turnstile = Turnstile(per_turn=1)
    passed: list[str] = []
    first, leaver, last = [
        asyncio.create_task(come(turnstile, name, passed)) for name in ("first", "leaver", "last")
    ]
    await first
    leaver.cancel()
    await last
    assert leaver.cancelled()
    assert passed == ["first", "last"]


async def test_others_run_between_the_turns() -> None:
    """What else the event loop has to do is done before the whole crowd has passed."""
    turnstile = Turnstile(per_turn=1)
    passed: list[str] = []
    crowd = [asyncio.create_task(come(turnstile, name, passed)) for name in "abcdefgh"]
    await crowd[0]
    # Takes a turn for each of its steps, as a new call does.
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(passed) < len(crowd)
    await asyncio.gather(*crowd)
