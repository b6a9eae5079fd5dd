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
from soak.traffic import draw, run
from tokenwire.demo import DemoUpstream

WARM_UP = 1 / 3
"""The part of the time whose memory does not count: caches and pools fill."""
ALLOWED_CLIMB_MB = 1.0
HANG_SECONDS = 30.0
"""Each call ends far earlier, within the server's timeouts."""
REST_SECONDS = 5.0
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
        end = time.monotonic() + minutes * 60
        callers = [asyncio.create_task(work.keep_calling(channel, end)) for _ in range(at_once)]
        readings = await _watch(server.metrics_address, upstream, work, callers, minutes)
        await asyncio.gather(*callers)
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                await upstream.wait_until_idle()
        at_rest = await measure(server.metrics_address, work.endings.total())
        leftovers = []
        if at_rest.in_flight:
            leftovers.append(f"{at_rest.in_flight:g} streams in flight at rest")
        if upstream.active_requests:
            leftovers.append(f"{upstream.active_requests} upstream requests at rest")
    return _judge(readings, work, leftovers)


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


def _judge(readings: list[Reading], work: Soak, leftovers: list[str]) -> int:
    settled = readings[int(len(readings) * WARM_UP) :]
    per_10_000 = climb(settled)
    print(f"endings: {dict(work.endings.most_common())}")
    print(f"memory climbs by {per_10_000:+.2f} MB per 10,000 calls after warm-up")
    problems = [*work.problems[:20], *leftovers]
    if per_10_000 > ALLOWED_CLIMB_MB:
        problems.append(f"more than {ALLOWED_CLIMB_MB} MB per 10,000 calls")
    for problem in problems:
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
