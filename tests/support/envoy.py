"""Runs a real Envoy with the example's configuration, or with changes of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import yaml

from support.ports import free_port
from support.programs import ROOT, started

CONFIG: Final = ROOT / "examples" / "envoy" / "envoy.yaml"
PROGRAM: Final = ROOT / ".tools" / "bin" / "envoy"

Changes: TypeAlias = dict[str, dict[str, Any]]
"""Settings that replace those of the example, by the part that has them: see `Parts`."""


@dataclass(frozen=True)
class Envoy:
    """A running Envoy.

    Attributes:
        address: The HOST:PORT for callers.
        admin: The HOST:PORT of its administration.
    """

    address: str
    admin: str

    async def count(self, name: str) -> int:
        """Return a counter or gauge, such as `cluster.tokenwire.upstream_rq_retry`."""
        async with httpx2.AsyncClient() as client:
            answer = await client.get(f"http://{self.admin}/stats?format=json&filter=^{name}$")
        found = json.loads(answer.text)["stats"]
        return sum(each.get("value", 0) for each in found)

    async def reaches(self, name: str, value: int) -> None:
        """Wait until a counter or gauge has at least a value."""
        async with asyncio.timeout(20):
            while await self.count(name) < value:  # noqa: ASYNC110 - another process raises no event
                await asyncio.sleep(0.02)


class Parts:
    """The parts of a configuration that changes name.

    Attributes:
        whole: The configuration.
    """

    def __init__(self) -> None:
        self.whole: Any = yaml.safe_load(CONFIG.read_text("utf-8"))
        [self.listener] = self.whole["static_resources"]["listeners"]
        [chain] = self.listener["filter_chains"]
        self.manager = chain["filters"][0]["typed_config"]
        [self.host] = self.manager["route_config"]["virtual_hosts"]
        self.cors = self.host["typed_per_filter_config"]["envoy.filters.http.cors"]
        [first] = self.host["routes"]
        self.route = first["route"]
        [self.cluster] = self.whole["static_resources"]["clusters"]
        [options] = self.cluster["typed_extension_protocol_options"].values()
        self.http2 = options["explicit_http_config"]["http2_protocol_options"]
        [self.thresholds] = self.cluster["circuit_breakers"]["thresholds"]
        [self.health] = self.cluster["health_checks"]

    def address(self, listen: int, admin: int, servers: tuple[str, ...]) -> None:
        """Set the ports on loopback, and the servers."""
        self.whole["admin"]["address"] = socket_address(f"127.0.0.1:{admin}")
        self.listener["address"] = socket_address(f"127.0.0.1:{listen}")
        endpoints = [{"endpoint": {"address": socket_address(server)}} for server in servers]
        self.cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]

    def change(self, changes: Changes) -> None:
        """Replace settings of parts; None removes one."""
        for part, settings in changes.items():
            target = getattr(self, part)
            target |= settings
            for name in [name for name, value in settings.items() if value is None]:
                del target[name]


def socket_address(address: str) -> dict[str, Any]:
    """Return HOST:PORT as Envoy writes it."""
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


@asynccontextmanager
async def envoy(folder: Path, *servers: str, **changes: dict[str, Any]) -> AsyncIterator[Envoy]:
    """Run Envoy, and wait until it has checked the health of its servers.

    Args:
        folder: A folder for its configuration.
        servers: The HOST:PORT of each server.
        changes: Settings that replace those of the example, by the names of `Parts`.
    """
    parts = Parts()
    listen, admin = free_port(), free_port()
    parts.address(listen, admin, servers)
    parts.change(changes)
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump(parts.whole))
    running = Envoy(f"127.0.0.1:{listen}", f"127.0.0.1:{admin}")
    command = (PROGRAM, "--config-path", path, "--log-path", folder / "envoy.log")
    # One worker: calls and health checks of the tests do not depend on which one accepts.
    options = ("--concurrency", "1", "--disable-hot-restart", "--base-id", "0")
    async with started(*command, *options):
        await ready(running)
        yield running


async def ready(running: Envoy) -> None:
    """Wait until Envoy says that it is ready."""
    async with asyncio.timeout(30), httpx2.AsyncClient() as client:
        while not await is_ready(client, running):  # noqa: ASYNC110 - it raises no event
            await asyncio.sleep(0.02)


async def is_ready(client: httpx2.AsyncClient, running: Envoy) -> bool:
    """Return whether Envoy says that it is ready."""
    try:
        return (await client.get(f"http://{running.admin}/ready")).status_code == 200
    except httpx2.TransportError:
        return False
