"""Measures server after server, round after round: A B C A B C ..."""

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
from benchmarks.scenarios import Effort, Figures, Found, Scenario
from benchmarks.server import Place, Server, place_for
from benchmarks.servers import LOAD

MEASURED_WITHIN = 600.0


class MeasurementError(Exception):
    """The load generator could not measure."""


@dataclass(frozen=True)
class Bench:
    """What every measurement shares: the upstream, the collector, the cores."""

    effort: Effort
    cores: Cores
    folder: Path
    upstream: Program
    upstream_address: str
    collector_address: str

    @contextlib.contextmanager
    def started(self, server: Server) -> Iterator["Running"]:
        """Start a server; on leaving, end it."""
        running = Running(self, server)
        try:
            yield running
        finally:
            running.program.stop()

    def load(self, arguments: Sequence[str], server: Program | None) -> Found:
        """Run the load generator and return what it found."""
        pids = ["-upstream-pids", str(self.upstream.pids()[0])]
        if server:
            pids += ["-server-pids", ",".join(map(str, server.pids()))]
        with pinned(self.cores.others):
            done = subprocess.run(
                [LOAD, *arguments, *pids],
                capture_output=True,
                text=True,
                timeout=MEASURED_WITHIN,
                check=False,
            )
        if done.returncode != 0:
            raise MeasurementError(done.stderr.strip())
        found: Found = json.loads(done.stdout)
        return found


class Running:
    """A server that is up, to be measured as often as one likes."""

    def __init__(self, bench: Bench, server: Server) -> None:
        self.server = server
        self._bench = bench
        self._start()

    def _start(self) -> None:
        bench = self._bench
        self.place: Place = place_for(bench.upstream_address, bench.collector_address, bench.folder)
        self.program = self.server.start(self.place, bench.cores)
        self.program.settle()

    def measure(self, scenario: Scenario) -> Figures:
        """Measure once, while nothing else that is compared runs."""
        bench = self._bench
        self.program.thaw()
        unused = {"unused_mb": self.program.resident_bytes() / 1e6} if scenario.fresh else {}
        arguments = (*scenario.arguments(bench.effort), *self.server.target(self.place))
        scrape = threading.Timer(bench.effort.seconds / 2, self._scrape)
        scrape.start()
        try:
            found = bench.load(arguments, self.program)
        finally:
            scrape.cancel()
            scrape.join()
            self._rest(fresh=scenario.fresh)
        return scenario.figures(found) | unused

    def _rest(self, *, fresh: bool) -> None:
        """Let the server finish what is left to do, or start it anew, and freeze it."""
        if fresh or not self.program.settle():
            self.program.stop()
            self._start()
        self.program.freeze()

    def _scrape(self) -> None:
        if self.server.metrics:
            url = f"http://127.0.0.1:{self.place.metrics_port}/metrics"
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
                answer.read()


@contextlib.contextmanager
def bench(effort: Effort, cores: Cores) -> Iterator[Bench]:
    """Start what stands around the servers; on leaving, end it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        upstream, collector = (
            Program((LOAD, command), {}, cores.others) for command in ("upstream", "collector")
        )
        stack.callback(upstream.stop)
        stack.callback(collector.stop)
        addresses = (upstream.first_line(), collector.first_line())
        yield Bench(effort, cores, folder, upstream, *addresses)


def run(around: Bench, scenario: Scenario, servers: Sequence[Server]) -> dict[str, Cell]:
    """Measure all servers in one scenario, in turns."""
    cells: dict[str, Cell] = {}
    with contextlib.ExitStack() as stack:
        up = []
        for server in servers:
            cells[server.name] = cell = Cell()
            try:
                running = stack.enter_context(around.started(server))
            except NotRunningError as error:
                cell.failures.append(str(error))
                continue
            running.program.freeze()
            up.append(running)
        rounds = min(around.effort.rounds, scenario.most_rounds)
        for number in range(rounds):
            say(f"{scenario.name}: round {number + 1} of {rounds}")
            direct = _direct(around, scenario) if scenario.direct else {}
            for running in up:
                cell = cells[running.server.name]
                try:
                    found = running.measure(scenario)
                    cell.rounds.append(found | _added(found, direct, running.server))
                except (MeasurementError, NotRunningError, subprocess.TimeoutExpired) as error:
                    cell.failures.append(str(error))
                    say(f"{scenario.name}: {running.server.name}: {error}")
    return cells


def _direct(around: Bench, scenario: Scenario) -> Figures:
    url = f"http://{around.upstream_address}/v1/chat/completions"
    arguments = (*scenario.arguments(around.effort), "-protocol", "openai", "-target", url)
    return scenario.figures(around.load(arguments, None))


def _added(found: Figures, direct: Figures, server: Server) -> Figures:
    """Return by how much a server delays the first token.

    One that asks no upstream adds all the time that it takes.
    """
    return {
        f"added_{share}_ms": found[name] - (direct[name] if server.relays else 0.0)
        for share in ("p50", "p99")
        if (name := f"first_token_{share}_ms") in direct
    }


def say(line: str) -> None:
    """Tell how far it is, beside the table."""
    print(line, file=sys.stderr, flush=True)
