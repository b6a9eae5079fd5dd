"""Ends calls whose caller does not take their status."""

import asyncio
import gc
from collections.abc import Callable
from typing import Final, Never

from tokenwire.core.call_record import CallRecord
from tokenwire.server.bounded_tasks import BoundedTasks, Tasks

GATHER_SECONDS: Final = 0.05
"""In which calls that give up are gathered. Those of callers who stalled together give up
together, and each search of all the process's tasks would keep other calls waiting."""
CALL_TASK: Final = "rpc_task"
"""What grpc.aio names the task that holds a call, in which a second one runs the handler."""


class UndeliveredStatuses:
    """Bounds how long, and how many, ended calls wait for their caller to take the status.

    gRPC sends a status after all that was written before it, which a caller who
    grants no more data can hold up for ever, and with it the memory and the tasks
    of the call. Past the bound the call's stream is reset: the caller's other calls
    on the connection, which may be those of many callers behind a proxy, go on.

    Args:
        seconds: The longest that a status may wait.
        most: The most statuses that may wait at once.
        on_reset: Told how many calls were reset.
    """

    def __init__(self, seconds: float, most: int, on_reset: Callable[[int], None]) -> None:
        self._on_reset = on_reset
        self._waiting = BoundedTasks(seconds, most, self._reset)
        self._giving_up: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def watch(self) -> None:
        """Watch the running handler from now on, of which only the status is left."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def observe(self, call: CallRecord) -> None:
        """Watch the running handler of a call that has ended, unless its last Answer was taken.

        Then nothing is before its status, which so need not wait for anything.
        """
        if call.status != "OK" or (call.last_write and not call.last_write.done()):
            self.watch()

    async def give_up(self) -> Never:
        """Reset the stream of the running handler soon, as it can send not even a status."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        if not self._giving_up:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._reset_gathered)
        self._giving_up.add(task)
        try:
            await asyncio.Event().wait()
        finally:
            self._giving_up.discard(task)
        raise AssertionError("nothing sets that event")

    def limit(self, seconds: float) -> None:
        """Let statuses wait no longer than so many seconds from now on."""
        self._waiting.limit(seconds)

    def _reset_gathered(self) -> None:
        gathered = tuple(self._giving_up)
        self._giving_up.clear()
        if gathered:
            self._reset(gathered)

    def _reset(self, tasks: Tasks) -> None:
        self._on_reset(len(tasks))
        reset_streams(tasks)


def reset_streams(handlers: Tasks) -> None:
    """Reset the streams of the calls whose handlers run in these tasks.

    grpc.aio has no means to do so. But gRPC resets the stream of a call that is
    given up before its end, and the call is given up when nothing refers to it any
    more; what refers to it are the handler's task and the task that holds the call.
    """
    wanted = {id(task): task for task in handlers}
    for holder in asyncio.all_tasks():
        if holder.get_name() != CALL_TASK:
            continue
        # The holder's coroutine refers to its variables, and one of them is the handler's task.
        for each in gc.get_referents(*gc.get_referents(holder.get_coro())):
            if id(each) in wanted:
                holder.cancel()
    for task in handlers:
        task.cancel()
