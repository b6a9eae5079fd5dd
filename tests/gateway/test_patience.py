"""A busy process does not take a store that has answered for one that is away."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from tokenwire.limits.session import ANSWER_SECONDS, StoreSession, ignore_answer
from tokenwire.limits.store import Batch, StoreError, StoreReply


class EventStore:
    """A store that answers once its event is set."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.is_cancelled = False

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Answer nothing to no batches."""
        self.is_asked.set()
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return [StoreReply((), {}) for _ in batches]

    async def aclose(self) -> None:
        """Close nothing."""


def block_until_late(store: EventStore, loop: asyncio.AbstractEventLoop) -> None:
    """Block the event loop for longer than an answer may take, while the answer arrives."""
    answering = threading.Thread(target=loop.call_soon_threadsafe, args=(store.answer.set,))
    answering.start()
    answering.join()
    time.sleep(1.5 * ANSWER_SECONDS)


async def test_an_answer_that_came_while_the_loop_was_blocked_counts() -> None:
    """A store that has answered is not away, though the answer is read late."""
    store = EventStore()
    session = StoreSession(store, ignore_answer)
    asked = asyncio.create_task(session.ask(()))
    await store.is_asked.wait()
    block_until_late(store, asyncio.get_running_loop())
    assert await asked == []


async def test_a_store_that_does_not_answer_is_given_up() -> None:
    """The request ends when its time is over, and is cancelled."""
    store = EventStore()
    session = StoreSession(store, ignore_answer)
    with pytest.raises(StoreError):
        await session.ask(())
    assert store.is_cancelled


async def test_a_call_that_ends_cancels_its_request() -> None:
    """A call that is cancelled while it waits leaves no request behind."""
    store = EventStore()
    asked = asyncio.create_task(StoreSession(store, ignore_answer).ask(()))
    await store.is_asked.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert store.is_cancelled
