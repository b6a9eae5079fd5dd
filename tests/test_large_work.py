"""Large work takes turns with all other work and with other large work."""

import asyncio

from tokenwire.core.large_work import next_step


async def work(name: str, done: list[str]) -> None:
    for _ in range(2):
        await next_step()
        done.append(name)


async def test_steps_take_turns() -> None:
    """Each step runs in a separate iteration of the event loop, in order of arrival."""
    done: list[str] = []
    tasks = [asyncio.create_task(work(name, done)) for name in "abc"]
    seen = []
    while len(done) < 6:
        seen.append(len(done))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert done == list("abcabc")
    assert set(seen) == set(range(6)), "two steps in one round"


async def test_who_leaves_holds_up_nobody() -> None:
    """A task that is cancelled while it waits, or once its step is due, passes its turn on."""
    done: list[str] = []
    tasks = [asyncio.create_task(work(name, done)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == list("bdbd")
    # The next task gets its turn too.
    await work("e", done)
    assert done[4:] == ["e", "e"]
