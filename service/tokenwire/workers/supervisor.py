"""Starts the workers, replaces those that end, drains them all."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import Any, Final

from tokenwire import __version__
from tokenwire.config import Settings, SettingsError, cannot_listen
from tokenwire.observability import logs
from tokenwire.observability.event_loop_lag import LagMeter
from tokenwire.observability.metrics_server import MetricsServer
from tokenwire.process.stop_signals import stop_signals
from tokenwire.workers.metrics import WorkersCollector
from tokenwire.workers.port import reserve
from tokenwire.workers.watch import Watch
from tokenwire.workers.worker import StartError, Worker

log = logging.getLogger(__name__)

EXIT_SECOND_SIGNAL: Final = 130
WORKER_METRICS_LISTEN: Final = "127.0.0.1:0"
"""Each worker's own endpoint, which only the supervisor reads."""
STATUSES_SECONDS: Final = 2.0
"""After the grace, for the statuses of the answers that it ended to go out."""
SPANS_SECONDS: Final = 11.0
"""After that, for the spans that a slow collector still takes, and the exit."""


async def supervise(settings: Settings, overrides: Mapping[str, Any]) -> int:
    """Run workers behind one port until a signal tells them to stop, then drain them.

    A second signal ends them all at once, and so does one before they serve.

    Args:
        settings: All that can be set.
        overrides: The fields of `settings` that are not from the environment.

    Returns:
        The exit code: the workers' worst.

    Raises:
        SettingsError: The workers cannot start with these settings.
    """
    asyncio.get_running_loop().set_exception_handler(logs.log_loop_error)
    with contextlib.ExitStack() as stack:
        address, kept = reserve(settings.listen)
        stack.enter_context(kept)
        of_workers = {
            **overrides,
            "workers": 1,
            "listen": address,
            "metrics_listen": WORKER_METRICS_LISTEN,
        }
        workers = [Worker(number, of_workers) for number in range(settings.workers)]
        collector = WorkersCollector(workers)
        lag = LagMeter(lambda _: None)
        lag.start()
        stack.callback(lag.stop)
        try:
            metrics = MetricsServer(
                settings.metrics_listen, collector.registry, collector.port, lag.overdue
            )
        except OSError:
            raise cannot_listen("TOKENWIRE_METRICS_LISTEN", settings.metrics_listen) from None
        stack.callback(metrics.stop)
        supervisor = Supervisor(workers, settings)
        if code := await supervisor.start():
            return code
        log.info(
            "serving",
            extra={
                "version": __version__,
                "address": address,
                "metrics_address": metrics.address,
                "model": settings.model,
                "workers": settings.workers,
            },
        )
        return await supervisor.run()


class Supervisor:
    """Keeps workers running.

    Args:
        workers: Not yet started.
        settings: How long they may take.
    """

    def __init__(self, workers: list[Worker], settings: Settings) -> None:
        self._workers = workers
        self._watch = Watch(workers, settings.worker_timeout_seconds)
        self._watching: asyncio.Task[None] | None = None
        self._most_seconds = settings.drain_seconds + settings.grace_seconds + STATUSES_SECONDS
        self._started = False
        self._stopping = asyncio.Event()

    async def start(self) -> int:
        """Start all workers; they serve when this returns 0.

        Returns:
            Otherwise the exit code of the first that could not start, and none runs.

        Raises:
            SettingsError: It could not start with its settings.
        """
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._on_signal, number)
        self._watching = asyncio.create_task(self._watch.run())
        try:
            for worker in self._workers:
                await worker.spawn()
        except OSError as error:
            _log_not_started(logging.ERROR, worker, error)
            await self._end_all()
            return 1
        starting = [asyncio.create_task(_serving(worker)) for worker in self._workers]
        try:
            await asyncio.gather(*starting)
        except StartError as error:
            self._kill()
            await asyncio.gather(*starting, return_exceptions=True)
            await self._end_all()
            if error.problems:
                raise SettingsError(error.problems) from None
            return error.code or 1
        self._started = True
        return 0

    async def run(self) -> int:
        """Replace workers that end, until a signal comes; then drain all.

        Returns:
            The workers' worst exit code.
        """
        keeping = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        await self._stopping.wait()
        log.info("stopping; a second signal ends all workers at once")
        begun = time.monotonic()
        for worker in self._workers:
            worker.drain()
        limiting = asyncio.create_task(self._limit_end())
        codes = await asyncio.gather(*keeping)
        limiting.cancel()
        log.info("exit", extra={"drained_seconds": round(time.monotonic() - begun, 3)})
        return max(codes)

    async def _limit_end(self) -> None:
        """See to it that no worker is there much longer than its grace."""
        await asyncio.sleep(self._most_seconds)
        self._watch.expect_end()
        await asyncio.sleep(SPANS_SECONDS)
        self._watch.kill_all()

    async def _keep(self, worker: Worker) -> int:
        """Return the exit code of the worker's last process, which ends with us."""
        problems: list[str] = []
        while True:
            code = await worker.ended()
            if self._stopping.is_set():
                return code
            delay = worker.delay()
            _log_end(worker, code, delay, problems)
            worker.restarts += 1
            if not await self._start_again(worker, delay):
                return 0
            problems = []
            try:
                await _serving(worker)
            except StartError as error:
                problems = error.problems
                if self._stopping.is_set():
                    # It was told to end before it served anyone.
                    return 0
            if self._stopping.is_set():
                # It has served too late to have been told.
                worker.drain()

    async def _start_again(self, worker: Worker, delay: float) -> bool:
        """Start a process after `delay` seconds, and again until it works.

        Returns:
            False if there is no need of it any more.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            if self._stopping.is_set():
                return False
            try:
                await worker.spawn()
            except Exception as error:  # noqa: BLE001 - whatever it is, a worker must not be lost
                delay = worker.delay()
                _log_not_started(logging.WARNING, worker, error, restart_in_seconds=delay)
            else:
                return True

    def _on_signal(self, number: signal.Signals) -> None:
        if self._started and not self._stopping.is_set():
            self._stopping.set()
            return
        self._kill()
        os._exit(EXIT_SECOND_SIGNAL if self._started else 128 + number)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    async def _end_all(self) -> None:
        self._kill()
        await asyncio.gather(*(worker.ended() for worker in self._workers))


async def _serving(worker: Worker) -> None:
    await worker.serving()
    log.info("worker serving", extra={"worker": worker.number, "pid": worker.pid})


def _log_end(worker: Worker, code: int, delay: float, problems: list[str]) -> None:
    fields: dict[str, object] = {
        "worker": worker.number,
        "pid": worker.pid,
        "code": code,
        "restart_in_seconds": delay,
    }
    if problems:
        fields["problems"] = problems
    log.warning("worker ended", extra=fields)


def _log_not_started(level: int, worker: Worker, error: Exception, **more: float) -> None:
    number = error.errno if isinstance(error, OSError) else None
    # The system's name of it, such as ENOENT or EMFILE.
    name = errno.errorcode.get(number or 0, type(error).__name__)
    log.log(level, "worker not started", extra={"worker": worker.number, "error": name, **more})
