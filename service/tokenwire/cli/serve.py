"""`tokenwire serve`: run the server."""

import argparse
import asyncio
import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tokenwire.cli import _simulator
from tokenwire.cli._settings import (
    EXIT_BAD_SETTINGS,
    demo_overrides,
    import_tracing,
    print_problems,
)
from tokenwire.observability.logs import hooks
from tokenwire.process.stop_signals import stop_signals

if TYPE_CHECKING:
    from tokenwire.config import Settings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="run the server",
        description="Run the server until SIGTERM, SIGHUP or Ctrl-C; it then drains and exits. A "
        "second signal ends it immediately. With a gateway file, SIGHUP reads that again instead. "
        "Environment variables configure the server; docs/settings.md lists them.",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="answer with the built-in demo model, a simulator that needs no key; with --config, "
        "a simulator at the address of each upstream on this machine",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the gateway file with upstreams and models (default: TOKENWIRE_CONFIG)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        help="the number of processes that share the port (default: TOKENWIRE_WORKERS, or 1)",
    )
    # For the supervisor: the number of a worker, and the file descriptor of its link.
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the server until a stop signal arrives; return the exit code."""
    # Process 1 of a container ignores signals without a handler, also during startup.
    for number in stop_signals(reloads=False):
        signal.signal(number, _exit_immediately)
    if args.demo and not _simulator.is_installed():
        return _simulator.refuse()
    # Here, so that other subcommands and --help start without them.
    import uvloop  # noqa: PLC0415

    from tokenwire.config import SettingsError  # noqa: PLC0415

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if args.worker:
                return runner.run(_serve_as_worker(*args.worker))
            given = {"workers": args.workers, "config": args.config}
            overrides = {name: value for name, value in given.items() if value}
            return runner.run(_serve_demo(**overrides) if args.demo else _serve(**overrides))
    except SettingsError as error:
        hooks.uninstall_stderr()
        return print_problems(error)


def _exit_immediately(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


def _ignore_reloads(settings: "Settings") -> None:
    """Ignore SIGHUP during the start if it asks to reload a file, which the start reads anyway."""
    if settings.config is not None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def _serve(**overrides: object) -> int:
    from tokenwire import config  # noqa: PLC0415 - see run
    from tokenwire.observability import logs  # noqa: PLC0415 - see run
    from tokenwire.process import descriptors  # noqa: PLC0415 - see run

    loaded = config.load(**overrides)
    _ignore_reloads(loaded)
    logs.configure(loaded)
    hooks.install()
    # Workers inherit the raised limit.
    descriptors.raise_limit(loaded.max_streams)
    silenced = (f"{name}: gRPC's own log can show metadata" for name in config.silence_grpc_core())
    for problem in (*config.unknown_variables(), *silenced):
        logs.log.warning("variable has no effect", extra={"problem": problem})
    if loaded.workers > 1:
        from tokenwire.workers.supervisor import supervise  # noqa: PLC0415 - see run

        return await supervise(loaded, overrides)
    # After the settings, so that an invalid one is reported before slow imports.
    import_tracing()
    from tokenwire.process import serving  # noqa: PLC0415

    return await serving.serve(loaded)


async def _serve_as_worker(number: int, descriptor: int) -> int:
    from tokenwire import config  # noqa: PLC0415 - see run
    from tokenwire.observability import logs  # noqa: PLC0415 - see run
    from tokenwire.process.link import Link  # noqa: PLC0415

    link = await Link.open(descriptor)
    try:
        loaded = config.load(**link.overrides)
        _ignore_reloads(loaded)
        logs.configure(loaded, worker=number)
        hooks.install()
        import_tracing()
        from tokenwire.process import serving  # noqa: PLC0415 - see _serve

        return await serving.serve(loaded, link)
    except config.SettingsError as error:
        link.report_problems(error.problems)
        return EXIT_BAD_SETTINGS
    finally:
        await link.close()


async def _serve_demo(**overrides: object) -> int:
    from tokenwire.cli._demo_upstreams import demo_upstream, demo_upstreams  # noqa: PLC0415 - see run

    if "config" in overrides:
        async with demo_upstreams(Path(str(overrides["config"]))):
            return await _serve(**overrides)
    async with demo_upstream() as upstream:
        return await _serve(**overrides, **demo_overrides(upstream.base_url))
