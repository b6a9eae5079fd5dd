"""The benchmark itself, run with minimal settings."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scenarios import SCENARIOS
from support.programs import ROOT, run

LOAD = ROOT / "benchmarks" / "load"
SMALL = ("--rounds", "1", "--seconds", "0.3", "--most-streams", "10", "--long-answer", "500")
IN_PYTHON = ("tokenwire", "floor", "astream", "article", "fastapi")

# Each server is started once per scenario, and the machine may be busy.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Bench:
    """Runs the benchmark from the command line."""

    into: Path

    async def run(self, *options: str) -> dict[str, Any]:
        """Run the smallest benchmark and return its results."""
        command = (sys.executable, "-m", "benchmarks", *SMALL, *options, "--json", str(self.into))
        done = await run(*command, within=550)
        assert done.code == 0, done.stderr
        return self.written()

    def written(self) -> dict[str, Any]:
        """Return the content of the JSON file."""
        found: dict[str, Any] = json.loads(self.into.read_text())
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "figures.json")


async def test_every_scenario_gives_its_figures(bench: Bench) -> None:
    """Every scenario measures tokenwire and the floor without errors, and reports CPU time."""
    found = await bench.run("--who", "tokenwire,floor")

    assert list(found["cells"]) == [scenario.name for scenario in SCENARIOS]
    for scenario, of_servers in found["cells"].items():
        for server, cell in of_servers.items():
            assert cell["failures"] == [], (scenario, server)
            assert cell["figures"]["errors"]["median"] == 0
            if scenario not in ("parked", "unread"):
                assert cell["figures"]["cpu_us_per_token"]["median"] > 0
    assert found["cells"]["carried"]["tokenwire"]["figures"]["in_time_percent"]["median"] > 0


async def test_an_earlier_commit_is_measured_beside_this_one(bench: Bench) -> None:
    """`--before` measures the tokenwire of another checkout in the same rounds."""
    found = await bench.run("--who", "tokenwire", "--only", "percall", "--before", str(ROOT))

    assert list(found["cells"]["percall"]) == ["tokenwire", "tokenwire-before"]
    for cell in found["cells"]["percall"].values():
        assert cell["failures"] == []
        assert cell["figures"]["errors"]["median"] == 0


async def test_every_peer_in_python_relays_whole_answers(bench: Bench) -> None:
    """Each peer relays every token; the load generator compares each answer's count and text."""
    found = await bench.run("--who", ",".join(IN_PYTHON), "--only", "burst")

    for server, cell in found["cells"]["burst"].items():
        assert cell["failures"] == [], server
        assert cell["figures"]["errors"]["median"] == 0, server


async def test_litellm_relays_whole_answers(bench: Bench) -> None:
    """LiteLLM's proxy relays every token of the same upstream."""
    found = await bench.run("--who", "litellm", "--only", "percall")

    cell = found["cells"]["percall"]["litellm"]
    assert cell["failures"] == []
    assert cell["figures"]["errors"]["median"] == 0


async def test_workers_are_measured_beside_one(tmp_path: Path) -> None:
    """One and two workers relay whole answers in each scenario, and the tables show both."""
    into = tmp_path / "workers.json"
    small = ("--rounds", "1", "--seconds", "0.3", "--connections", "8")
    command = (sys.executable, "-m", "benchmarks.workers", *small, "--json", str(into))
    done = await run(*command, within=550)

    assert done.code == 0, done.stderr
    assert done.stdout.count("tokenwire, 1 worker ") == done.stdout.count("tokenwire, 2 workers")
    cells = json.loads(into.read_text())["cells"]
    assert list(cells) == ["workers-burst", "workers-carried"]
    for of_servers in cells.values():
        assert list(of_servers) == ["tokenwire-workers-1", "tokenwire-workers-2"]
        for cell in of_servers.values():
            assert cell["failures"] == []
            assert cell["figures"]["errors"]["median"] == 0
            assert cell["figures"]["cpu_us_per_token"]["median"] > 0


@pytest.mark.parametrize("command", [("test", "./..."), ("vet", "./...")], ids=lambda it: it[0])
async def test_go_is_content_with_the_load_generator(command: tuple[str, ...]) -> None:
    """The load generator's own tests and `go vet` pass."""
    env = {**os.environ, "GOPROXY": "off", "GOTOOLCHAIN": "local"}

    done = await run("go", *command, cwd=LOAD, env=env, within=240)

    assert done.code == 0, done.stdout + done.stderr


async def test_gofmt_is_content_with_the_load_generator() -> None:
    """The load generator is formatted with gofmt."""
    done = await run("gofmt", "-l", *(path.name for path in sorted(LOAD.glob("*.go"))), cwd=LOAD)

    assert (done.code, done.stdout) == (0, "")
