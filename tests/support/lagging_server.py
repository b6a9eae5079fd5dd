"""A server whose event loop is blocked repeatedly: `python lagging_server.py`.

It prints the address of its metrics, which are served by a separate thread.
"""

import asyncio
import time

from tokenwire import config
from tokenwire.app import App
from tokenwire_demo import DemoUpstream

BLOCKED_SECONDS = 0.4


async def main() -> None:
    """Run the server until it is killed."""
    async with DemoUpstream() as upstream:
        loaded = config.load(
            base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
        )
        async with App(loaded) as app:
            print(app.metrics_address, flush=True)  # noqa: T201 - the test reads it
            while True:
                time.sleep(BLOCKED_SECONDS)  # noqa: ASYNC251 - this is the fault
                await asyncio.sleep(0)


asyncio.run(main())
