"""Runs the service with two demo upstreams, random traffic and a real Prometheus.

`make observe` runs until Ctrl-C and serves the dashboards as a web page; `make pictures` runs for
a fixed time and draws the dashboards into files.
"""

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from demo_callers import KEYS
from demo_gateway import two_upstreams
from mixed_traffic import mixed_traffic
from observe_page import NAMES, ObservePage
from pictures import STEP, draw
from prometheus_server import PROGRAM, RULES, Prometheus
from tokenwire import config
from tokenwire.app import App

CALLS_PER_SECOND: Final = 4.0


@asynccontextmanager
async def observed() -> AsyncIterator[tuple[App, Prometheus]]:
    """Run the service with its traffic, and a Prometheus that scrapes it for every point drawn."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loaded = config.load(
            config=await stack.enter_async_context(two_upstreams(folder)),
            listen="127.0.0.1:0",
            metrics_listen="127.0.0.1:0",
            max_streams=20,
            drain_seconds=0,
            usage_file=folder / "usage.jsonl",
        )
        app = await stack.enter_async_context(App(loaded))
        targets = {"tokenwire": [app.metrics_address]}
        prometheus = await stack.enter_async_context(Prometheus(folder, targets, RULES, STEP))
        await prometheus.scraped()
        traffic = asyncio.create_task(mixed_traffic(app.address, CALLS_PER_SECOND))
        yield app, prometheus
        traffic.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await traffic


def print_addresses(app: App, prometheus: Prometheus, page: ObservePage) -> None:
    """Print the addresses of all servers."""
    print(f"dashboards: {page.url}")
    print(f"service:    {app.address} (gRPC), with {CALLS_PER_SECOND:g} calls a second")
    print(f"key:        {next(iter(KEYS.values()))}, which a call of yours needs")
    print(f"metrics:    http://{app.metrics_address}/metrics")
    print(f"Prometheus: {prometheus.url} (its HTTP API)")
    print("\nCtrl-C ends everything.", flush=True)


def write(folder: Path, pictures: dict[str, str]) -> None:
    """Write the pictures, by file name, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / name).write_text(picture, "utf-8")
        print(f"drawn: {folder / name}")


async def observe(folder: Path | None, seconds: float) -> None:
    """Run until cancelled, or draw the dashboards into `folder` after `seconds`."""
    async with observed() as (app, prometheus):
        if folder is None:
            async with ObservePage(prometheus, app.metrics_address) as page:
                print_addresses(app, prometheus, page)
                await asyncio.Event().wait()
        else:
            await asyncio.sleep(seconds)
            write(
                folder,
                {f"dashboard-{name}.svg": await draw(prometheus, name, seconds) for name in NAMES},
            )


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw the dashboards into files and exit"
    )
    parser.add_argument("--seconds", type=float, default=120, help="the time before drawing")
    arguments = parser.parse_args()
    if not PROGRAM.exists():
        parser.error(f"{PROGRAM} does not exist: run `python tools/install.py prometheus`")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(observe(arguments.pictures, arguments.seconds))
    print("ended")


if __name__ == "__main__":
    main()
