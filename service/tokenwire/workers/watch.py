"""Ends workers that do not answer."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from tokenwire.workers.worker import Worker

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
START_SECONDS: Final = 120.0
"""How long a worker may take until it serves."""
STOPPED_SECONDS: Final = 3.0
"""How long after the grace a worker may be silent: it has no more answers to give."""


class Watch:
    """Looks again and again whether workers tell that they run, and kills those that do not.

    It counts looks instead of seconds: when all processes were paused together, and
    go on together, no worker has missed more than one.

    Args:
        workers: Those that are watched.
        seconds: How long one that serves may be silent.
    """

    def __init__(self, workers: Sequence[Worker], seconds: float) -> None:
        self._workers = workers
        self._seconds = seconds

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for worker in self._workers:
                if worker.runs:
                    self._look(worker)

    def expect_end(self) -> None:
        """Have less patience from now on: the grace is over."""
        self._seconds = min(self._seconds, STOPPED_SECONDS)

    def kill_all(self) -> None:
        """Kill those that are still there."""
        for worker in self._workers:
            if worker.runs:
                self._kill(worker, "worker does not end")

    def _look(self, worker: Worker) -> None:
        worker.unheard += 1
        allowed = START_SECONDS if worker.starts else self._seconds
        if worker.unheard * LOOK_SECONDS > allowed:
            self._kill(worker, "worker does not answer")

    def _kill(self, worker: Worker, event: str) -> None:
        fields = {"worker": worker.number, "pid": worker.pid}
        log.warning(event, extra=fields | {"silent_seconds": worker.unheard * LOOK_SECONDS})
        worker.kill()
