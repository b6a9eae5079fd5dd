"""The servers that are compared, and how each is started."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from benchmarks.processes import Cores, Program, free_port

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
PEERS = Path(__file__).resolve().parent / "peers"
LOAD = TOOLS / "bin" / "load"
PEERS_PYTHON = TOOLS / "bench-peers" / "bin" / "python"
LITELLM_PYTHON = TOOLS / "litellm" / "bin" / "python"

MODEL = "gpt-4o-mini"
KEY = "sk-benchmark"
"""A server that wants a key gets this one; the upstream asks for none."""


@dataclass(frozen=True)
class Place:
    """What a server needs to know about its surroundings.

    Attributes:
        port: Where to listen, on the loopback interface.
        metrics_port: The same for metrics, if it has any.
        upstream: The upstream's address, HOST:PORT.
        collector: The OTLP collector's address, HOST:PORT.
        folder: For its files.
    """

    port: int
    metrics_port: int
    upstream: str
    collector: str
    folder: Path


Command: TypeAlias = tuple[str | Path, ...]


@dataclass(frozen=True)
class Server:
    """One of those compared.

    Attributes:
        name: Names it on the command line and in the JSON.
        title: Names it in the table.
        command: Makes what is run.
        variables: Makes the environment, beside PATH and HOME.
        protocol: What the load generator speaks to it.
        path: Where it is asked, if by HTTP.
        python: Its interpreter, to tell the versions of its packages.
        packages: Those worth telling.
        relays: Whether its tokens come from the upstream.
        metrics: Whether it has metrics to scrape.
    """

    name: str
    title: str
    command: Callable[[Place], Command]
    variables: Callable[[Place], Mapping[str, str]] = field(default=lambda _: {})
    protocol: str = "grpc"
    path: str = ""
    python: Path = Path(sys.executable)
    packages: tuple[str, ...] = ()
    relays: bool = True
    metrics: bool = False

    def start(self, place: Place, cores: Cores) -> Program:
        """Start the server and wait until it listens."""
        env = {"PATH": os.environ["PATH"], "HOME": str(place.folder), **self.variables(place)}
        log = place.folder / f"{self.name}.log"
        program = Program(self.command(place), env, cores.server, log)
        try:
            program.wait_for_port(place.port)
        except BaseException:
            program.stop()
            raise
        return program

    def target(self, place: Place) -> tuple[str, ...]:
        """Return the load generator's options to reach it."""
        address = f"127.0.0.1:{place.port}"
        if self.protocol != "grpc":
            address = f"http://{address}{self.path}"
        return "-protocol", self.protocol, "-target", address


def place_for(upstream: str, collector: str, folder: Path) -> Place:
    """Find free ports for a server."""
    return Place(free_port(), free_port(), upstream, collector, folder)


def _tokenwire(place: Place) -> Mapping[str, str]:
    """Everything on, as in production: traces, metrics, JSON logs, all limits."""
    return {
        "OPENAI_BASE_URL": f"http://{place.upstream}/v1",
        "TOKENWIRE_LISTEN": f"127.0.0.1:{place.port}",
        "TOKENWIRE_METRICS_LISTEN": f"127.0.0.1:{place.metrics_port}",
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_MAX_STREAMS": "10000",
        "TOKENWIRE_LOG_FORMAT": "json",
        "TOKENWIRE_DRAIN_SECONDS": "0",
        "TOKENWIRE_GRACE_SECONDS": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{place.collector}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }


def _tokenwire_command(_: Place) -> Command:
    return sys.executable, "-m", "tokenwire", "serve"


def _peer(name: str, python: Path) -> Callable[[Place], Command]:
    return lambda place: (python, PEERS / f"{name}.py", str(place.port))


def _peer_variables(place: Place) -> Mapping[str, str]:
    return {
        "PYTHONPATH": str(ROOT / "service"),  # for the stubs
        "OPENAI_BASE_URL": f"http://{place.upstream}/v1",
        "OPENAI_API_KEY": KEY,
    }


OURS = ("grpcio", "protobuf", "langchain-core", "langchain-openai", "httpx2", "jiter")
LANGCHAIN = ("grpcio", "protobuf", "langchain-core", "langchain-openai", "openai")

SERVERS = (
    Server(
        "tokenwire",
        "tokenwire",
        _tokenwire_command,
        _tokenwire,
        packages=OURS,
        metrics=True,
    ),
    Server(
        "tokenwire-unmerged",
        "tokenwire, `TOKENWIRE_MERGE_TOKENS=false`",
        _tokenwire_command,
        lambda place: {**_tokenwire(place), "TOKENWIRE_MERGE_TOKENS": "false"},
        packages=OURS,
        metrics=True,
    ),
    Server(
        "floor",
        "bare `grpc.aio`, no upstream (the floor)",
        _peer("floor", Path(sys.executable)),
        _peer_variables,
        packages=("grpcio", "protobuf"),
        relays=False,
    ),
)
