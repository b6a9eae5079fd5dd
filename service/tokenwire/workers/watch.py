"""Kills workers that stop sending heartbeats."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from tokenwire.workers.worker import Worker

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 0.5
"""The interval of the checks."""
START_SECONDS: Final = 120.0
"""The timeout of a worker's start."""
EXIT_SECONDS: Final = 3.0
"""The heartbeat timeout after the grace period, when a worker has no more calls."""


class WorkerMonitor:
    """Checks the heartbeats of all workers periodically, and kills workers that miss too many.

    The monitor counts checks instead of seconds, so that after a pause of all processes, such
    as a suspended machine, a worker has missed at most one check.

    Args:
        workers: The workers to monitor.
        timeout_seconds: The heartbeat timeout of a worker that serves.
    """

    def __init__(self, workers: Sequence[Worker], timeout_seconds: float) -> None:
        self._workers = workers
        self._timeout_seconds = timeout_seconds

    async def run(self) -> None:
        """Check the workers until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for worker in self._workers:
                if worker.is_running:
                    self._check(worker)

    def shorten_timeout(self) -> None:
        """Lower the heartbeat timeout to EXIT_SECONDS; called when the grace period ends."""
        self._timeout_seconds = min(self._timeout_seconds, EXIT_SECONDS)

    def kill_all(self) -> None:
        """Kill all workers that still run."""
        for worker in self._workers:
            if worker.is_running:
                self._kill(worker, "worker does not end")

    def _check(self, worker: Worker) -> None:
        worker.missed_checks += 1
        timeout = START_SECONDS if worker.is_starting else self._timeout_seconds
        if worker.missed_checks * CHECK_SECONDS > timeout:
            self._kill(worker, "worker does not answer")

    def _kill(self, worker: Worker, event: str) -> None:
        fields = {"worker": worker.number, "pid": worker.pid}
        silent_seconds = worker.missed_checks * CHECK_SECONDS
        log.warning(event, extra=fields | {"silent_seconds": silent_seconds})
        worker.kill()
