"""A crowd of writes passes turn by turn, and the event loop has time for others between."""

import asyncio
from collections.abc import Callable
from typing import cast

from tokenwire.write_pacer import Turnstile


class Turns:
    """The event loop as a turnstile sees it, which counts the turnstile's callbacks.

    Attributes:
        pending: How many are due.
        most_pending: The most that were due at once.
        on_rest_over: Called right after each rest, before the loop does anything else.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.pending = self.most_pending = 0
        self.on_rest_over: Callable[[], object] = int
        self.time = self._loop.time
        self.create_future = self._loop.create_future

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(self._counted(callback))

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        counted = self._counted(callback)
        self._loop.call_later(delay, lambda: (counted(), self.on_rest_over()))

    def _counted(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.pending += 1
        self.most_pending = max(self.pending, self.most_pending)

        def run() -> None:
            self.pending -= 1
            callback()

        return run


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


async def test_a_crowd_that_leaves_together_leaves_one_chain_of_turns() -> None:
    """When all who wait have left, those who come right after the rest begin no second chain."""
    turnstile = Turnstile(per_turn=1)
    turns = Turns()
    turnstile._loop = cast("asyncio.AbstractEventLoop", turns)
    passed: list[str] = []
    leavers = [asyncio.create_task(come(turnstile, "leaver", passed)) for _ in range(5)]
    await leavers[0]
    for leaver in leavers:
        leaver.cancel()
    newcomers: list[asyncio.Task[None]] = []
    came = asyncio.Event()

    def newcomers_come() -> None:
        turns.on_rest_over = int
        assert not turnstile.crowded()
        newcomers.extend(asyncio.create_task(come(turnstile, name, passed)) for name in "abcd")
        came.set()

    turns.on_rest_over = newcomers_come
    await came.wait()
    await asyncio.gather(*newcomers)
    assert passed == ["leaver", *"abcd"]
    assert turns.most_pending == 1
