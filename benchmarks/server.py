"""A server that is compared, and how it is started."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from benchmarks.processes import Cores, Program, free_port


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


Arguments: TypeAlias = tuple[str | Path, ...]


@dataclass(frozen=True)
class Server:
    """One of those compared.

    Attributes:
        name: Names it on the command line and in the JSON.
        title: Names it in the table.
        program: Its interpreter, or itself.
        arguments: Makes its arguments.
        variables: Makes the environment, beside PATH and HOME.
        protocol: What the load generator speaks to it.
        path: Where it is asked, if by HTTP.
        packages: Those whose versions are worth telling; none: the program's own is.
        relays: Whether its tokens come from the upstream.
        metrics: Whether it has metrics to scrape.
    """

    name: str
    title: str
    program: Path
    arguments: Callable[[Place], Arguments]
    variables: Callable[[Place], Mapping[str, str]] = field(default=lambda _: {})
    protocol: str = "grpc"
    path: str = ""
    packages: tuple[str, ...] = ()
    relays: bool = True
    metrics: bool = False

    def start(self, place: Place, cores: Cores) -> Program:
        """Start the server and wait until it listens."""
        env = {"PATH": os.environ["PATH"], "HOME": str(place.folder), **self.variables(place)}
        log = place.folder / f"{self.name}.log"
        program = Program((self.program, *self.arguments(place)), env, cores.server, log)
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
