"""Starts the workers, restarts workers that end, and drains them all at shutdown."""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from tokenwire import __version__
from tokenwire.config import Settings, SettingsError, cannot_listen
from tokenwire.config.gateway import default_model
from tokenwire.observability import logs
from tokenwire.observability.event_loop_lag import EventLoopLagMonitor
from tokenwire.observability.metrics_server import MetricsServer, StatusPages
from tokenwire.process.stop_signals import stop_signals
from tokenwire.workers.metrics import WorkersCollector
from tokenwire.workers.port import reserve
from tokenwire.workers.scraping import statuses
from tokenwire.workers.watch import WorkerMonitor
from tokenwire.workers.worker import StartError, Worker

log = logging.getLogger(__name__)

EXIT_SECOND_SIGNAL: Final = 130
WORKER_METRICS_LISTEN: Final = "127.0.0.1:0"
"""The metrics address of a worker, which only the supervisor scrapes."""
STATUS_SECONDS: Final = 2.0
"""The time after the grace period to deliver the statuses of the calls that it ended."""
SPAN_EXPORT_SECONDS: Final = 11.0
"""The time after that to export spans to a slow collector, and to exit."""


async def supervise(settings: Settings, overrides: Mapping[str, Any]) -> int:
    """Run workers behind one port until a stop signal arrives, then drain them.

    A second signal, or a signal before all workers serve, ends all workers immediately. With a
    gateway file, SIGHUP makes all workers reload it.

    Args:
        settings: The settings of the service.
        overrides: The settings that override the environment, by field name.

    Returns:
        The highest exit code of the workers.

    Raises:
        SettingsError: The workers cannot start with these settings.
    """
    asyncio.get_running_loop().set_exception_handler(logs.log_loop_error)
    # Read before the workers start, so that a mistake in a gateway file is told once.
    model = default_model(settings)
    with contextlib.ExitStack() as stack:
        address, reserved = reserve(settings.listen)
        stack.enter_context(reserved)
        worker_overrides = {
            **overrides,
            "workers": 1,
            "listen": address,
            "metrics_listen": WORKER_METRICS_LISTEN,
            "status_token": None,
        }
        workers = [Worker(number, worker_overrides) for number in range(settings.workers)]
        collector = WorkersCollector(workers)
        lag = EventLoopLagMonitor(lambda _: None)
        lag.start()
        stack.callback(lag.stop)
        try:
            metrics = MetricsServer(
                settings.metrics_listen,
                collector.registry,
                collector.port,
                lag.overdue,
                status=StatusPages(partial(statuses, workers), settings.status_token),
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
                "model": model,
                "workers": settings.workers,
            },
        )
        return await supervisor.run()


class Supervisor:
    """Keeps workers running.

    Args:
        workers: The workers, not started yet.
        settings: The settings of timeouts.
    """

    def __init__(self, workers: list[Worker], settings: Settings) -> None:
        self._workers = workers
        self._monitor = WorkerMonitor(workers, settings.worker_timeout_seconds)
        self._monitoring: asyncio.Task[None] | None = None
        self._reloads = settings.config is not None
        self._stop_seconds = settings.drain_seconds + settings.grace_seconds + STATUS_SECONDS
        self._started = False
        self._stopping = asyncio.Event()

    async def start(self) -> int:
        """Start all workers and wait until they serve.

        Returns:
            0 if all workers serve. Otherwise the exit code of the first worker that could not
            start; all workers have ended.

        Raises:
            SettingsError: A worker rejected its settings; all workers have ended.
        """
        loop = asyncio.get_running_loop()
        for number in stop_signals(reloads=self._reloads):
            loop.add_signal_handler(number, self._on_signal, number)
        if self._reloads:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        self._monitoring = asyncio.create_task(self._monitor.run())
        try:
            for worker in self._workers:
                await worker.spawn()
        except OSError as error:
            _log_not_started(logging.ERROR, worker, error)
            await self._end_all()
            return 1
        starting = [asyncio.create_task(_wait_serving(worker)) for worker in self._workers]
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
        """Restart workers that end until a stop signal arrives, then drain all workers.

        Returns:
            The highest exit code of the workers.
        """
        keeping = [asyncio.create_task(self._keep_running(worker)) for worker in self._workers]
        await self._stopping.wait()
        log.info("stopping; a second signal ends all workers at once")
        started = time.monotonic()
        for worker in self._workers:
            worker.drain()
        enforcing = asyncio.create_task(self._enforce_stop())
        codes = await asyncio.gather(*keeping)
        enforcing.cancel()
        log.info("exit", extra={"drained_seconds": round(time.monotonic() - started, 3)})
        return max(codes)

    async def _enforce_stop(self) -> None:
        """Kill the workers that still run some time after their grace period."""
        await asyncio.sleep(self._stop_seconds)
        self._monitor.shorten_timeout()
        await asyncio.sleep(SPAN_EXPORT_SECONDS)
        self._monitor.kill_all()

    async def _keep_running(self, worker: Worker) -> int:
        """Restart a worker until shutdown; return the exit code of its last process."""
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
                await _wait_serving(worker)
            except StartError as error:
                problems = error.problems
                if self._stopping.is_set():
                    # Shutdown ended the process before it served, which is not a failure.
                    return 0
            if self._stopping.is_set():
                # The process was still starting when `run` drained all workers.
                worker.drain()

    async def _start_again(self, worker: Worker, delay: float) -> bool:
        """Start a process after `delay` seconds; retry until that succeeds.

        Returns:
            False if the supervisor is stopping and no process was started.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            if self._stopping.is_set():
                return False
            try:
                await worker.spawn()
            except Exception as error:  # noqa: BLE001 - any exception must lead to a retry
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

    def _reload(self) -> None:
        for worker in self._workers:
            worker.reload()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    async def _end_all(self) -> None:
        self._kill()
        await asyncio.gather(*(worker.ended() for worker in self._workers))


async def _wait_serving(worker: Worker) -> None:
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
    # The symbolic name, such as ENOENT or EMFILE.
    name = errno.errorcode.get(number or 0, type(error).__name__)
    log.log(level, "worker not started", extra={"worker": worker.number, "error": name, **more})
