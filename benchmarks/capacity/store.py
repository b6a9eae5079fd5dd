"""Measures what the store of limits costs Redis: `python -m benchmarks.capacity.store FILE`."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from benchmarks.figures import Cell, Run
from benchmarks.goals import FULL
from benchmarks.rounds import print_progress
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.entries import EntryKind, Held, LeaseEntry, Totals
from tokenwire.limits.lease import SLICE_TOKENS
from tokenwire.limits.redis_store import RedisStore
from tokenwire.limits.store import Batch

SCENARIO: Final = "store"
TITLE: Final = "calls that begin, go on and end in the store of limits"
RUNS: Final = 2_000
MANY: Final = 20
"""The entries of a run, to tell the cost of a run from that of an entry."""
START_SECONDS: Final = 20.0
LIMITS: Final = CallerLimits(
    10_000,
    (
        Window(Unit.REQUESTS, 1_000_000, "m"),
        Window(Unit.TOKENS, 1_000_000_000, "m"),
        Window(Unit.TOKENS, 100_000_000_000, "d"),
    ),
)
"""Those of the benchmark's caller."""


def main() -> None:
    """Measure, and add the figures to a JSON file of a run."""
    into = Path(sys.argv[1])
    run = Run.from_json(json.loads(into.read_text()))
    cell = Cell()
    for number in range(int(run.effort["rounds"])):
        print_progress(f"{SCENARIO}: round {number + 1}")
        cell.rounds.append(asyncio.run(measured()))
    run.scenarios[SCENARIO] = TITLE
    run.cells[SCENARIO] = {FULL: cell}
    into.write_text(json.dumps(run.to_json(), indent=1) + "\n")


async def measured() -> dict[str, float]:
    """Return the microseconds of Redis's CPU time for a run of the script, and for an entry."""
    async with _redis() as url:
        single, many = await _cost(url, 1), await _cost(url, MANY)
    entry = max(0.0, many - single) / (MANY - 1)
    return {"cpu_us_per_run": max(0.0, single - entry), "cpu_us_per_entry": entry}


async def _cost(url: str, entries: int) -> float:
    """Return the microseconds for a run with this many entries, each another call's."""
    store, client = RedisStore(url), Redis.from_url(url)
    try:
        await store.apply([_batch(EntryKind.TAKE, 1, entries)])
        before = await _cpu_seconds(client)
        for number in range(2, RUNS + 2):
            kind = EntryKind.RENEW if number % 2 else EntryKind.TAKE
            await store.apply([_batch(kind, number, entries)])
        return (await _cpu_seconds(client) - before) / RUNS * 1e6
    finally:
        await store.aclose()
        await client.aclose()


def _batch(kind: EntryKind, number: int, entries: int) -> Batch:
    # A renewal follows the take of the same lease, as in short answers.
    turn = number // 2
    totals, held = Totals(10, 0, number, 0), Held(SLICE_TOKENS, 0)
    leases = (f"lease-{turn % 100}-{index}" for index in range(entries))
    return Batch(
        "team",
        LIMITS,
        [LeaseEntry(kind, lease, number, time.time(), None, totals, held) for lease in leases],
    )


async def _cpu_seconds(client: Redis) -> float:
    used = await client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


@asynccontextmanager
async def _redis() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as folder:
        socket = Path(folder) / "redis"
        process = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", "0", "--unixsocket", str(socket)),
            *("--dir", folder, "--save", "", "--appendonly", "yes"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                while not socket.exists():  # noqa: ASYNC110 - another process raises no event
                    await asyncio.sleep(0.01)
            yield f"unix://{socket}?db=0"
        finally:
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    main()
