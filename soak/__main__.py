"""`make soak`: mixed calls with mixed faults for minutes or hours; memory must not climb.

A real `tokenwire serve` runs as a process of its own, in front of the demo
upstream. A line every few seconds tells calls, memory, tasks, descriptors and
upstream connections. Exit code 1 means that memory climbs, that something is
left over at rest, or that a call ended in a way that the table does not know.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import suppress

import grpc

from soak.readings import Reading, climb, measure
from soak.server import running_server
from soak.traffic import draw, ordinary, run
from tokenwire.demo import DemoUpstream

WARM_UP = 1 / 3
"""The part of the time whose memory does not count: caches and pools fill."""
ALLOWED_CLIMB_MB = 1.0
HANG_SECONDS = 30.0
"""Each call ends far earlier, within the server's timeouts."""
REST_SECONDS = 5.0
REST_PAUSE_SECONDS = 0.1
MOST_PROBLEMS = 30
READINGS_PER_LINE = 10


class Soak:
    """The calls of one run and what they were seen to do.

    Args:
        seed: Draws the calls.
        address: The server's.
    """

    def __init__(self, seed: int, address: str) -> None:
        self._rng = random.Random(seed)
        self._address = address
        self.endings: Counter[str] = Counter()
        self.problems: list[str] = []

    async def keep_calling(self, channel: grpc.aio.Channel, end: float) -> None:
        """Make one random call after the other until `end`, by time.monotonic."""
        while time.monotonic() < end:
            errand = draw(self._rng)
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    ending = await run(errand, self._address, channel)
            except TimeoutError:
                self.problems.append(f"{errand.what} ({errand.manner}): hangs")
                continue
            self.endings[ending.code] += 1
            # 35: a busy server may always say that it is.
            if problem := ending.problem(errand.rows | {35}):
                self.problems.append(f"{errand.what} ({errand.manner}): {problem}")


async def soak(minutes: float, at_once: int, seed: int) -> int:
    """Run for so many minutes; return the exit code."""
    async with (
        DemoUpstream(log_limit=100) as upstream,
        running_server(upstream.base_url, at_once) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        work = Soak(seed, server.address)
        await run(ordinary(), server.address, channel)
        baseline = await measure(server.metrics_address, 0)
        connections = upstream.open_connections
        end = time.monotonic() + minutes * 60
        callers = [asyncio.create_task(work.keep_calling(channel, end)) for _ in range(at_once)]
        readings = await _watch(server.metrics_address, upstream, work, callers, minutes)
        await asyncio.gather(*callers)
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                await upstream.wait_until_idle()
        if upstream.active_requests:
            work.problems.append(f"{upstream.active_requests} upstream requests at rest")
        # Kept open for the next calls.
        pooled = upstream.open_connections - connections
        work.problems += await _leftovers(server.metrics_address, baseline, pooled)
    return _judge(readings, [*work.problems, *server.problems], work.endings)


async def _leftovers(metrics_address: str, baseline: Reading, pooled: int) -> list[str]:
    """Return what is more than it was before the calls, once it has had time to go."""
    end = time.monotonic() + REST_SECONDS
    while True:
        now = await measure(metrics_address, 0)
        left = {
            "streams in flight": now.in_flight,
            "tasks": now.tasks - baseline.tasks,
            "descriptors": now.descriptors - pooled - baseline.descriptors,
        }
        more = [f"{count:g} {what} left at rest" for what, count in left.items() if count > 0]
        if not more or time.monotonic() > end:
            return more
        await asyncio.sleep(REST_PAUSE_SECONDS)


async def _watch(
    metrics_address: str,
    upstream: DemoUpstream,
    work: Soak,
    callers: list[asyncio.Task[None]],
    minutes: float,
) -> list[Reading]:
    """Print a line now and then until all callers are done; return all readings."""
    readings: list[Reading] = []
    pause = min(1.0, minutes * 60 / 60)
    print("  seconds    calls  calls/s   RSS MB  tasks  descriptors  upstream connections")
    started = time.monotonic()
    while True:
        _, pending = await asyncio.wait(callers, timeout=pause)
        if not pending:
            return readings
        reading = await measure(metrics_address, work.endings.total())
        readings.append(reading)
        if len(readings) % READINGS_PER_LINE:
            continue
        seconds = time.monotonic() - started
        print(
            f"{seconds:9.0f} {reading.calls:8d} {reading.calls / seconds:8.0f}"
            f" {reading.rss_mb:8.1f} {reading.tasks:6.0f} {reading.descriptors:12.0f}"
            f" {upstream.open_connections:21d}",
            flush=True,
        )


def _judge(readings: list[Reading], problems: list[str], endings: Counter[str]) -> int:
    settled = readings[int(len(readings) * WARM_UP) :]
    per_10_000 = climb(settled)
    print(f"endings: {dict(endings.most_common())}")
    print(f"memory climbs by {per_10_000:+.2f} MB per 10,000 calls after warm-up")
    if per_10_000 > ALLOWED_CLIMB_MB:
        problems.append(f"more than {ALLOWED_CLIMB_MB} MB per 10,000 calls")
    for problem in problems[:MOST_PROBLEMS]:
        print(f"PROBLEM: {problem}")
    print("FAILED" if problems else "passed")
    return 1 if problems else 0


def main() -> None:
    """Read the arguments and exit with the run's verdict."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--at-once", type=int, default=40, help="calls at once")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    sys.exit(asyncio.run(soak(arguments.minutes, arguments.at_once, arguments.seed)))


if __name__ == "__main__":
    main()
