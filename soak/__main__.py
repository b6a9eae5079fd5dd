"""`make soak`: random calls with random faults for minutes or hours; memory must not grow.

`tokenwire serve` runs as a process in front of the demo upstream. Between two rounds of calls the
server becomes idle, so that leaks can be told from what calls in flight need. One line per round
has the state at its end and when idle. Exit code 1 means that memory grew, that tasks,
descriptors or streams were left when idle, that a call ended with a status outside the failure
table, or that the server logged an unexpected line.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

import grpc

from soak.readings import Measurement, measure, memory_growth
from soak.server import Server, running_server
from soak.traffic import random_call, run, successful_call
from tokenwire_demo import DemoUpstream

ROUNDS = 24
WARM_UP_ROUNDS = 12
"""The first rounds, whose memory does not count, because caches and pools fill."""
MAX_GROWTH_MB = 1.0
"""The allowed growth of memory per 10,000 calls."""
HANG_SECONDS = 30.0
"""The timeout of a call; the server's own timeouts are much shorter."""
IDLE_SECONDS = 5.0
"""How long the server may take to become idle after a round."""
POLL_SECONDS = 0.1
SETTLED_MB = 0.1
"""Memory counts as settled when it changes by less than this between two polls."""
MAX_PROBLEMS = 30
"""The most problems that are printed."""
HEADINGS = (
    "                           |  at the round's end                 |  idle\n"
    "  seconds    calls calls/s |  RSS MB tasks descriptors upstream  |  RSS MB tasks descriptors"
)


class Soak:
    """The calls of one run and their results.

    Args:
        seed: The seed of the random calls.
        address: HOST:PORT of the server.

    Attributes:
        endings: The number of calls by status code.
        problems: The unexpected results.
    """

    def __init__(self, seed: int, address: str) -> None:
        self._rng = random.Random(seed)
        self._address = address
        self.endings: Counter[str] = Counter()
        self.problems: list[str] = []

    async def keep_calling(self, channel: grpc.aio.Channel, end: float) -> None:
        """Make random calls sequentially until `end`, in seconds of time.monotonic."""
        while time.monotonic() < end:
            planned = random_call(self._rng)
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    result = await run(planned, self._address, channel)
            except TimeoutError:
                self.problems.append(f"{planned.description} ({planned.behaviour}): hangs")
                continue
            self.endings[result.code] += 1
            # Row 35: the server may reject any call as overloaded.
            if problem := result.problem(planned.rows | {35}):
                self.problems.append(f"{planned.description} ({planned.behaviour}): {problem}")


async def soak(minutes: float, at_once: int, seed: int) -> int:
    """Run the soak test and return the exit code.

    Args:
        minutes: The approximate duration.
        at_once: The number of concurrent calls.
        seed: The seed of the random calls.
    """
    started = time.monotonic()
    measurements = []
    print(HEADINGS)
    async with (
        DemoUpstream(log_limit=100) as upstream,
        running_server(upstream.base_url, at_once) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        work = Soak(seed, server.address)
        await run(successful_call(), server.address, channel)
        baseline = await measure(server.metrics_address, 0)
        for number in range(ROUNDS):
            end = started + minutes * 60 * (number + 1) / ROUNDS
            callers = [work.keep_calling(channel, end) for _ in range(at_once)]
            calling = asyncio.gather(*callers)
            await asyncio.sleep(end - time.monotonic())
            busy = await measure(server.metrics_address, work.endings.total())
            connections = upstream.open_connections
            await calling
            idle = await _wait_idle(server, upstream, baseline, work)
            measurements.append(idle)
            seconds = time.monotonic() - started
            print(
                f"{seconds:9.0f} {idle.calls:8d} {idle.calls / seconds:7.0f}"
                f" | {busy.rss_mb:7.1f} {busy.tasks:5.0f} {busy.descriptors:11.0f}"
                f" {connections:8d}  | {idle.rss_mb:7.1f} {idle.tasks:5.0f}"
                f" {idle.descriptors:11.0f}",
                flush=True,
            )
    return _judge(measurements, [*work.problems, *server.problems], work.endings)


async def _wait_idle(
    server: Server, upstream: DemoUpstream, baseline: Measurement, work: Soak
) -> Measurement:
    """Wait until the server is as idle as `baseline`, and return its trimmed measurement.

    What is left after IDLE_SECONDS becomes a problem.
    """
    end = time.monotonic() + IDLE_SECONDS
    while True:
        now = await measure(server.metrics_address, work.endings.total())
        left = {
            "streams in flight": now.in_flight,
            "upstream requests": upstream.active_requests,
            "tasks": now.tasks - baseline.tasks,
            # The baseline has one upstream connection; others stay open for reuse.
            "descriptors": now.descriptors - baseline.descriptors - upstream.open_connections + 1,
        }
        leaks = [f"{count:g} {kind} left when idle" for kind, count in left.items() if count > 0]
        if not leaks:
            return await _measure_trimmed(server, work)
        if time.monotonic() > end:
            work.problems += leaks
            return now
        await asyncio.sleep(POLL_SECONDS)


async def _measure_trimmed(server: Server, work: Soak) -> Measurement:
    """Return a measurement after the server has returned its free memory to the system."""
    server.trim()
    before = await measure(server.metrics_address, work.endings.total())
    while True:
        await asyncio.sleep(POLL_SECONDS)
        now = await measure(server.metrics_address, work.endings.total())
        if abs(now.rss_mb - before.rss_mb) < SETTLED_MB:
            return now
        before = now


def _judge(measurements: list[Measurement], problems: list[str], endings: Counter[str]) -> int:
    per_10_000 = memory_growth(measurements[WARM_UP_ROUNDS:])
    print(f"endings: {dict(endings.most_common())}")
    print(f"memory growth: {per_10_000:+.2f} MB per 10,000 calls after warm-up")
    if per_10_000 > MAX_GROWTH_MB:
        problems.append(f"memory grew by more than {MAX_GROWTH_MB} MB per 10,000 calls")
    for problem in problems[:MAX_PROBLEMS]:
        print(f"PROBLEM: {problem}")
    print("FAILED" if problems else "passed")
    return 1 if problems else 0


def main() -> None:
    """Run the soak test with the arguments of the command line, and exit with its exit code."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="the duration")
    parser.add_argument("--at-once", type=int, default=40, help="the number of concurrent calls")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of random calls")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    sys.exit(asyncio.run(soak(arguments.minutes, arguments.at_once, arguments.seed)))


if __name__ == "__main__":
    main()
