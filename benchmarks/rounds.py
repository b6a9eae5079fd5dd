"""Measures the servers in interleaved rounds: A B C A B C ..."""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Cell
from benchmarks.processes import Cores, NotRunningError, Program, pinned
from benchmarks.scenarios import Effort, Figures, LoadReport, Scenario
from benchmarks.server import Server, Surroundings, surroundings_for
from benchmarks.servers import LOAD

LOAD_TIMEOUT_SECONDS = 600.0
"""The timeout of one run of the load generator."""


class MeasurementError(Exception):
    """The load generator failed."""


@dataclass(frozen=True)
class Bench:
    """The shared parts of all measurements.

    Attributes:
        effort: How much is measured.
        cores: The assignment of cores.
        folder: The directory for the servers' files.
        upstream: The upstream's process.
        upstream_address: HOST:PORT of the upstream.
        collector_address: HOST:PORT of the OTLP collector.
    """

    effort: Effort
    cores: Cores
    folder: Path
    upstream: Program
    upstream_address: str
    collector_address: str

    @contextlib.contextmanager
    def started(self, server: Server) -> Iterator["Running"]:
        """Start a server; leaving the block stops it."""
        running = Running(self, server)
        try:
            yield running
        finally:
            running.program.stop()

    def load(self, arguments: Sequence[str], server: Program | None) -> LoadReport:
        """Run the load generator and return its report.

        Args:
            arguments: The arguments of the load generator.
            server: The server whose CPU time is measured; None for the upstream itself.

        Raises:
            MeasurementError: The load generator failed.
        """
        pids = ["-upstream-pids", str(self.upstream.pids()[0])]
        if server:
            pids += ["-server-pids", ",".join(map(str, server.pids()))]
        with pinned(self.cores.others):
            done = subprocess.run(
                [LOAD, *arguments, *pids],
                capture_output=True,
                text=True,
                timeout=LOAD_TIMEOUT_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            raise MeasurementError(done.stderr.strip())
        report: LoadReport = json.loads(done.stdout)
        return report


class Running:
    """A running server, which can be measured repeatedly."""

    def __init__(self, bench: Bench, server: Server) -> None:
        self.server = server
        self._bench = bench
        self._start()

    def _start(self) -> None:
        bench = self._bench
        self.surroundings: Surroundings = surroundings_for(
            bench.upstream_address, bench.collector_address, bench.folder
        )
        self.program = self.server.start(self.surroundings, bench.cores)
        self.program.settle()

    def measure(self, scenario: Scenario) -> Figures:
        """Measure the server once; all other servers are frozen."""
        bench = self._bench
        self.program.thaw()
        unused = {"unused_mb": self.program.resident_bytes() / 1e6} if scenario.fresh else {}
        arguments = (*scenario.arguments(bench.effort), *self.server.target(self.surroundings))
        scrape = threading.Timer(bench.effort.seconds / 2, self._scrape)
        scrape.start()
        try:
            report = bench.load(arguments, self.program)
        finally:
            scrape.cancel()
            scrape.join()
            self._settle_and_freeze(restart=scenario.fresh)
        return scenario.figures(report) | unused

    def _settle_and_freeze(self, *, restart: bool) -> None:
        """Wait until the server is idle, or restart it, and freeze it."""
        if restart or not self.program.settle():
            self.program.stop()
            self._start()
        self.program.freeze()

    def _scrape(self) -> None:
        if self.server.metrics:
            url = f"http://127.0.0.1:{self.surroundings.metrics_port}/metrics"
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
                answer.read()


@contextlib.contextmanager
def started(effort: Effort, cores: Cores) -> Iterator[Bench]:
    """Start the upstream and the collector; leaving the block stops them."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        upstream, collector = (
            Program((LOAD, command), {}, cores.others) for command in ("upstream", "collector")
        )
        stack.callback(upstream.stop)
        stack.callback(collector.stop)
        addresses = (upstream.first_line(), collector.first_line())
        yield Bench(effort, cores, folder, upstream, *addresses)


def run(bench: Bench, scenario: Scenario, servers: Sequence[Server]) -> dict[str, Cell]:
    """Measure all servers in one scenario, one after the other in each round."""
    cells: dict[str, Cell] = {}
    with contextlib.ExitStack() as stack:
        servers_up = []
        for server in servers:
            cells[server.name] = cell = Cell()
            try:
                running = stack.enter_context(bench.started(server))
            except NotRunningError as error:
                cell.failures.append(str(error))
                continue
            running.program.freeze()
            servers_up.append(running)
        rounds = min(bench.effort.rounds, scenario.max_rounds)
        for number in range(rounds):
            print_progress(f"{scenario.name}: round {number + 1} of {rounds}")
            direct = _measure_upstream(bench, scenario) if scenario.direct else {}
            for running in servers_up:
                cell = cells[running.server.name]
                if number and not cell.rounds:
                    # It failed, most often because it is too slow; each attempt takes minutes.
                    continue
                try:
                    figures = running.measure(scenario)
                    cell.rounds.append(figures | _added_latency(figures, direct, running.server))
                except (MeasurementError, NotRunningError, subprocess.TimeoutExpired) as error:
                    cell.failures.append(str(error))
                    print_progress(f"{scenario.name}: {running.server.name}: {error}")
    return cells


def _measure_upstream(bench: Bench, scenario: Scenario) -> Figures:
    url = f"http://{bench.upstream_address}/v1/chat/completions"
    arguments = (*scenario.arguments(bench.effort), "-protocol", "openai", "-target", url)
    return scenario.figures(bench.load(arguments, None))


def _added_latency(figures: Figures, direct: Figures, server: Server) -> Figures:
    """Return the time that a server adds to the first token, in milliseconds.

    For a server without an upstream this is its whole time to first token.
    """
    return {
        f"added_{share}_ms": figures[name] - (direct[name] if server.relays else 0.0)
        for share in ("p50", "p99")
        if (name := f"first_token_{share}_ms") in direct
    }


def print_progress(line: str) -> None:
    """Print a line to stderr, because stdout is for the tables."""
    print(line, file=sys.stderr, flush=True)
