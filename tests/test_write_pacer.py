"""The write pacer admits writes turn by turn, and leaves time for other work of the event loop."""

import asyncio
from collections.abc import Callable
from typing import cast

from tokenwire.server.write_pacer import WritePacer


class CountingLoop:
    """An event loop for the pacer that counts the callbacks it schedules.

    Attributes:
        pending: The number of scheduled callbacks.
        most_pending: The highest number of callbacks scheduled at the same time.
        on_pause_over: Called right after each pause, before any other callback.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.pending = self.most_pending = 0
        self.on_pause_over: Callable[[], object] = int
        self.time = self._loop.time
        self.create_future = self._loop.create_future

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(self._counted(callback))

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        counted = self._counted(callback)
        self._loop.call_later(delay, lambda: (counted(), self.on_pause_over()))

    def _counted(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.pending += 1
        self.most_pending = max(self.pending, self.most_pending)

        def run() -> None:
            self.pending -= 1
            callback()

        return run


async def write(pacer: WritePacer, name: str, written: list[str]) -> None:
    if pacer.must_wait():
        await pacer.wait()
    written.append(name)


async def test_a_single_write_is_admitted_at_once() -> None:
    """A write without concurrent writes never waits, even if it is repeated."""
    pacer = WritePacer(per_turn=1)
    for _ in range(3):
        assert not pacer.must_wait()
        # Two iterations: the turn ends in the first one.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_writes_are_admitted_in_order() -> None:
    """At most `per_turn` writes are admitted per turn, in FIFO order."""
    pacer = WritePacer(per_turn=2)
    written: list[str] = []
    writes = [asyncio.create_task(write(pacer, name, written)) for name in "abcde"]
    await asyncio.sleep(0)
    assert written == ["a", "b"]
    late = asyncio.create_task(write(pacer, "f", written))
    await writes[2]
    assert written[:3] == ["a", "b", "c"]
    assert len(written) <= 4
    await asyncio.gather(*writes, late)
    assert written == list("abcdef")


async def test_a_cancelled_write_delays_no_other() -> None:
    """A waiting write whose call ends gives its turn to the next write."""
    pacer = WritePacer(per_turn=1)
    written: list[str] = []
    first, cancelled, last = [
        asyncio.create_task(write(pacer, name, written)) for name in ("first", "cancelled", "last")
    ]
    await first
    cancelled.cancel()
    await last
    assert cancelled.cancelled()
    assert written == ["first", "last"]


async def test_other_work_runs_between_turns() -> None:
    """Other work of the event loop runs before all waiting writes are admitted."""
    pacer = WritePacer(per_turn=1)
    written: list[str] = []
    writes = [asyncio.create_task(write(pacer, name, written)) for name in "abcdefgh"]
    await writes[0]
    # Each step takes one iteration, like the steps of accepting a call.
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(written) < len(writes)
    await asyncio.gather(*writes)


async def test_writes_cancelled_together_leave_one_chain_of_turns() -> None:
    """When all waiting writes are cancelled, later writes do not start a second chain of turns."""
    pacer = WritePacer(per_turn=1)
    loop = CountingLoop()
    pacer._loop = cast("asyncio.AbstractEventLoop", loop)
    written: list[str] = []
    cancelled = [asyncio.create_task(write(pacer, "cancelled", written)) for _ in range(5)]
    await cancelled[0]
    for each in cancelled:
        each.cancel()
    late: list[asyncio.Task[None]] = []
    started = asyncio.Event()

    def start_more() -> None:
        loop.on_pause_over = int
        assert not pacer.must_wait()
        late.extend(asyncio.create_task(write(pacer, name, written)) for name in "abcd")
        started.set()

    loop.on_pause_over = start_more
    await started.wait()
    await asyncio.gather(*late)
    assert written == ["cancelled", *"abcd"]
    assert loop.most_pending == 1
