"""A gateway file with callers and two demo upstreams, of which the first sometimes fails."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from demo_callers import demo_callers
from mixed_traffic import LARGE, SMALL
from tokenwire_demo import DemoUpstream

MAIN, SPARE = "main", "spare"
MODELS: Final[dict[str, Any]] = {
    LARGE: {
        "routes": [f"{MAIN}/{LARGE}", f"{SPARE}/{LARGE}"],
        "price": {"input": 3, "output": 15, "cached_input": 0.3},
        "hedge_after": "2s",
    },
    SMALL: {
        "routes": [[{"to": f"{MAIN}/{SMALL}", "weight": 3}, f"{SPARE}/{SMALL}"]],
        "price": {"input": 0.15, "output": 0.6},
    },
}
FAILURES: Final = (["status 500"], ["status 429 retry-after=1"], ["status 503"] * 8)
"""What the next requests to the first upstream get, in turn; the last opens a breaker."""
SECONDS_BETWEEN: Final = 10.0


@asynccontextmanager
async def two_upstreams(folder: Path) -> AsyncIterator[Path]:
    """Run both upstreams, and yield the gateway file, which is in `folder`."""
    async with AsyncExitStack() as stack:
        upstreams = {
            name: await stack.enter_async_context(
                DemoUpstream(time_to_first_token=0.15, tokens_per_second=60)
            )
            for name in (MAIN, SPARE)
        }
        sections = {name: {"base_url": each.base_url} for name, each in upstreams.items()}
        callers = await stack.enter_async_context(demo_callers(folder))
        path = folder / "gateway.yaml"
        # JSON is YAML too.
        path.write_text(json.dumps({"upstreams": sections, "models": MODELS, **callers}), "utf-8")
        failing = asyncio.create_task(_fail_some_of_the_time(upstreams[MAIN]))
        try:
            yield path
        finally:
            failing.cancel()


async def _fail_some_of_the_time(upstream: DemoUpstream) -> None:
    for plans in itertools.cycle(FAILURES):
        await asyncio.sleep(SECONDS_BETWEEN)
        upstream.script(*plans)
