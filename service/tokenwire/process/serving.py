"""The lifecycle of a serving process, from its start to its exit code."""

import asyncio
import logging
import os
import signal
import time
from functools import partial
from typing import Final

from tokenwire import __version__
from tokenwire.app import App
from tokenwire.config import Settings
from tokenwire.observability import logs
from tokenwire.process import gc_tuning
from tokenwire.process.link import Link
from tokenwire.process.stop_signals import stop_signals

EXIT_FAILED: Final = 1
"""The gRPC server could accept no more calls."""
EXIT_SECOND_SIGNAL: Final = 130
"""A second signal interrupted the drain."""

log = logging.getLogger(__name__)


async def serve(settings: Settings, link: Link | None = None) -> int:
    """Run a server until a stop signal arrives, then drain it.

    With a gateway file, SIGHUP reloads it. A second stop signal ends the process immediately. A
    worker ignores second signals, because its supervisor handles them.

    Args:
        settings: The settings of the server.
        link: The link to the supervisor; None without workers. A worker shares its port and
            also drains when the link closes.

    Returns:
        The exit code.

    Raises:
        SettingsError: The server cannot start with these settings.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.log_loop_error)
    reloads = settings.config is not None
    for number in stop_signals(reloads=reloads):
        loop.add_signal_handler(number, stopping.set if link else partial(_on_signal, stopping))
    app = App(settings, share_port=link is not None)
    if reloads:
        loop.add_signal_handler(signal.SIGHUP, app.reload)
    await app.start()
    gc_tuning.tune_collector()
    if link:
        link.report_serving(app.metrics_address)
        link.on_close(stopping.set)
    else:
        log.info(
            "serving",
            extra={
                "version": __version__,
                "address": app.address,
                "metrics_address": app.metrics_address,
                "model": app.default_model,
            },
        )
    if not await _wait_for_stop(app, stopping):
        # The parent of this process must start another one, which accepts calls.
        log.critical("the gRPC server has failed; this process drains and exits")
        await app.drain()
        return EXIT_FAILED
    if not link:
        log.info("stopping; a second signal ends the process at once")
    started = time.monotonic()
    await app.drain()
    log.info("exit", extra={"drained_seconds": round(time.monotonic() - started, 3)})
    return 0


async def _wait_for_stop(app: App, stopping: asyncio.Event) -> bool:
    """Wait for `stopping`, or for the gRPC server to fail.

    Returns:
        False if it failed.
    """
    stop_requested = asyncio.create_task(stopping.wait())
    failed = asyncio.create_task(app.failed())
    await asyncio.wait((stop_requested, failed), return_when=asyncio.FIRST_COMPLETED)
    stop_requested.cancel()
    failed.cancel()
    return stopping.is_set()


def _on_signal(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(EXIT_SECOND_SIGNAL)
    stopping.set()
