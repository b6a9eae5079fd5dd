"""Resets streams whose caller does not accept the status."""

import asyncio
import gc
from collections.abc import Callable
from typing import Final, Never

from tokenwire.core.call_record import CallRecord
from tokenwire.server.bounded_tasks import BoundedTasks, Tasks

GATHER_SECONDS: Final = 0.05
"""How long handlers are collected before their streams are reset together. Callers that stall
together time out together, and each reset searches all tasks of the process."""
CALL_TASK: Final = "rpc_task"
"""grpc.aio's name of the task that owns a call. A second task runs the handler."""


class UndeliveredStatuses:
    """Limits how long and how many ended calls wait for the delivery of their status.

    gRPC sends a status after all earlier messages. A caller that grants no flow-control window
    can delay it indefinitely, which holds the call's memory and tasks. When a limit is exceeded,
    the call's stream is reset. Other calls on the connection, which may belong to many callers
    behind a proxy, continue.

    Args:
        seconds: The longest time that a status may wait.
        max_waiting: The most statuses that may wait at once.
        on_reset: Called with the number of streams that were reset.
    """

    def __init__(self, seconds: float, max_waiting: int, on_reset: Callable[[int], None]) -> None:
        self._on_reset = on_reset
        self._waiting = BoundedTasks(seconds, max_waiting, self._reset)
        self._resetting: set[asyncio.Task[object]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def watch(self) -> None:
        """Start the limits for the current task, a handler that is about to return."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def observe(self, call: CallRecord) -> None:
        """Call `watch` for a call that has ended, unless gRPC has sent its last Answer.

        In that case no message is queued before the status.
        """
        if call.status != "OK" or (call.last_write and not call.last_write.done()):
            self.watch()

    async def reset_current(self) -> Never:
        """Reset the stream of the current handler, which cannot send a status.

        Handlers that call this within GATHER_SECONDS are reset together.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler runs in a task
        if not self._resetting:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._reset_gathered)
        self._resetting.add(task)
        try:
            await asyncio.Event().wait()
        finally:
            self._resetting.discard(task)
        raise AssertionError("nothing sets that event")

    def limit(self, seconds: float) -> None:
        """Reduce the time that a status may wait to `seconds`, starting now."""
        self._waiting.limit(seconds)

    def _reset_gathered(self) -> None:
        gathered = tuple(self._resetting)
        self._resetting.clear()
        if gathered:
            self._reset(gathered)

    def _reset(self, tasks: Tasks) -> None:
        self._on_reset(len(tasks))
        reset_streams(tasks)


def reset_streams(handlers: Tasks) -> None:
    """Reset the streams of the calls whose handlers run in these tasks.

    grpc.aio has no API for this. However, gRPC resets the stream when an unfinished call object
    is freed. Only the handler's task and the task that owns the call refer to that object, so
    cancelling both frees it.
    """
    wanted = {id(task): task for task in handlers}
    for owner in asyncio.all_tasks():
        if owner.get_name() != CALL_TASK:
            continue
        # The handler's task is a local variable of the owner's coroutine.
        for each in gc.get_referents(*gc.get_referents(owner.get_coro())):
            if id(each) in wanted:
                owner.cancel()
    for task in handlers:
        task.cancel()
