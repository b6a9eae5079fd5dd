"""A server to measure, and how to start it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from benchmarks.processes import Cores, Program, free_port


@dataclass(frozen=True)
class Surroundings:
    """The ports, addresses and files of a started server.

    Attributes:
        port: The port to listen on, on the loopback interface.
        metrics_port: The port of the metrics, on the loopback interface.
        upstream: HOST:PORT of the upstream.
        collector: HOST:PORT of the OTLP collector.
        folder: The directory for the server's files.
    """

    port: int
    metrics_port: int
    upstream: str
    collector: str
    folder: Path


Arguments: TypeAlias = tuple[str | Path, ...]


@dataclass(frozen=True)
class Server:
    """A server to measure.

    Attributes:
        name: The name on the command line and in the JSON file.
        title: The name in tables.
        program: The executable, which may be an interpreter.
        arguments: Returns the arguments of the program.
        variables: Returns the environment, except PATH and HOME.
        protocol: The protocol of the load generator's calls.
        path: The path of the URL, if the protocol is HTTP.
        packages: The packages whose versions are reported; if empty, the program's version is.
        relays: Whether the tokens come from the upstream.
        metrics: Whether the server has metrics to scrape.
        key: The key that calls have; empty for none.
    """

    name: str
    title: str
    program: Path
    arguments: Callable[[Surroundings], Arguments]
    variables: Callable[[Surroundings], Mapping[str, str]] = field(default=lambda _: {})
    protocol: str = "grpc"
    path: str = ""
    packages: tuple[str, ...] = ()
    relays: bool = True
    metrics: bool = False
    key: str = ""

    def start(self, surroundings: Surroundings, cores: Cores) -> Program:
        """Start the server and wait until it listens."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(surroundings.folder),
            **self.variables(surroundings),
        }
        log = surroundings.folder / f"{self.name}.log"
        program = Program((self.program, *self.arguments(surroundings)), env, cores.server, log)
        try:
            program.wait_for_port(surroundings.port)
        except BaseException:
            program.stop()
            raise
        return program

    def target(self, surroundings: Surroundings) -> tuple[str, ...]:
        """Return the options of the load generator that select this server."""
        address = f"127.0.0.1:{surroundings.port}"
        if self.protocol != "grpc":
            address = f"http://{address}{self.path}"
        key = ("-key", self.key) if self.key else ()
        return "-protocol", self.protocol, "-target", address, *key


def surroundings_for(upstream: str, collector: str, folder: Path) -> Surroundings:
    """Return the surroundings of a server, with free ports."""
    return Surroundings(free_port(), free_port(), upstream, collector, folder)
