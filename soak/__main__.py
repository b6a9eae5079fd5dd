"""`make soak`: mixed calls with mixed faults for minutes or hours; memory must not climb.

A real `tokenwire serve` runs as a process of its own, in front of the demo
upstream. The calls come in rounds, between which all comes to rest: what is then
left of a round, and how memory grows from rest to rest, is told from what calls in
flight need. A line for each round tells what was there at its end and at rest.
Exit code 1 means that memory climbs, that something is left over at rest, that a
call ended in a way that the table does not know, or that the server complained.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

import grpc

from soak.readings import Reading, climb, measure
from soak.server import Server, running_server
from soak.traffic import draw, ordinary, run
from tokenwire_demo import DemoUpstream

ROUNDS = 24
WARM_UP_ROUNDS = 12
"""Whose memory does not count: caches and pools fill."""
ALLOWED_CLIMB_MB = 1.0
HANG_SECONDS = 30.0
"""Each call ends far earlier, within the server's timeouts."""
REST_SECONDS = 5.0
REST_PAUSE_SECONDS = 0.1
SETTLED_MB = 0.1
MOST_PROBLEMS = 30
HEADINGS = (
    "                           |  at the round's end                 |  at rest\n"
    "  seconds    calls calls/s |  RSS MB tasks descriptors upstream  |  RSS MB tasks descriptors"
)


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
    """Run for about so many minutes; return the exit code."""
    started = time.monotonic()
    readings = []
    print(HEADINGS)
    async with (
        DemoUpstream(log_limit=100) as upstream,
        running_server(upstream.base_url, at_once) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        work = Soak(seed, server.address)
        await run(ordinary(), server.address, channel)
        baseline = await measure(server.metrics_address, 0)
        for number in range(ROUNDS):
            end = started + minutes * 60 * (number + 1) / ROUNDS
            callers = [work.keep_calling(channel, end) for _ in range(at_once)]
            calling = asyncio.gather(*callers)
            await asyncio.sleep(end - time.monotonic())
            busy = await measure(server.metrics_address, work.endings.total())
            connections = upstream.open_connections
            await calling
            rest = await _rest(server, upstream, baseline, work)
            readings.append(rest)
            seconds = time.monotonic() - started
            print(
                f"{seconds:9.0f} {rest.calls:8d} {rest.calls / seconds:7.0f}"
                f" | {busy.rss_mb:7.1f} {busy.tasks:5.0f} {busy.descriptors:11.0f}"
                f" {connections:8d}  | {rest.rss_mb:7.1f} {rest.tasks:5.0f}"
                f" {rest.descriptors:11.0f}",
                flush=True,
            )
    return _judge(readings, [*work.problems, *server.problems], work.endings)


async def _rest(server: Server, upstream: DemoUpstream, baseline: Reading, work: Soak) -> Reading:
    """Wait until no more is left than before all calls; note as a problem what is."""
    end = time.monotonic() + REST_SECONDS
    while True:
        now = await measure(server.metrics_address, work.endings.total())
        left = {
            "streams in flight": now.in_flight,
            "upstream requests": upstream.active_requests,
            "tasks": now.tasks - baseline.tasks,
            # The baseline has one connection to the upstream; more are kept for the next calls.
            "descriptors": now.descriptors - baseline.descriptors - upstream.open_connections + 1,
        }
        more = [f"{count:g} {what} left at rest" for what, count in left.items() if count > 0]
        if not more:
            return await _trimmed(server, work)
        if time.monotonic() > end:
            work.problems += more
            return now
        await asyncio.sleep(REST_PAUSE_SECONDS)


async def _trimmed(server: Server, work: Soak) -> Reading:
    """Return what the server holds once it has given back what is free."""
    server.trim()
    before = await measure(server.metrics_address, work.endings.total())
    while True:
        await asyncio.sleep(REST_PAUSE_SECONDS)
        now = await measure(server.metrics_address, work.endings.total())
        if abs(now.rss_mb - before.rss_mb) < SETTLED_MB:
            return now
        before = now


def _judge(readings: list[Reading], problems: list[str], endings: Counter[str]) -> int:
    per_10_000 = climb(readings[WARM_UP_ROUNDS:])
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
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--at-once", type=int, default=40, help="calls at once")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    sys.exit(asyncio.run(soak(arguments.minutes, arguments.at_once, arguments.seed)))


if __name__ == "__main__":
    main()
