"""The OpenTelemetry Collector with the settings that users get, writing spans to a file."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from support.programs import ROOT, started

HOST = "127.0.0.1"
CONFIG = ROOT / "observability" / "otel-collector.yml"


class RealCollector:
    """A running collector.

    Attributes:
        endpoint: The value for OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self, port: int, file: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._file = file

    async def spans(self, count: int) -> list[dict[str, Any]]:
        """Wait for `count` spans and return all spans in the form of OTLP's JSON."""
        while len(found := self._read()) < count:  # noqa: ASYNC110 - a file sends no notification
            await asyncio.sleep(0.02)
        return found

    def _read(self) -> list[dict[str, Any]]:
        whole, _, _ = self._file.read_text().rpartition("\n") if self._file.exists() else ("",) * 3
        return [
            span
            for line in whole.splitlines()
            for resource in json.loads(line)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


@asynccontextmanager
async def real_collector(program: Path, folder: Path) -> AsyncIterator[RealCollector]:
    """Run the collector, with only its addresses and the exporter replaced for the test."""
    grpc_port, http_port = _free_ports()
    file = folder / "spans.jsonl"
    ours = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"127.0.0.1:{grpc_port}"},
                    "http": {"endpoint": f"127.0.0.1:{http_port}"},
                }
            }
        },
        "exporters": {"file": {"path": str(file), "flush_interval": "20ms"}},
        "processors": {"batch": {"timeout": "20ms"}},
        "service": {
            "pipelines": {"traces": {"exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    overlay = folder / "overlay.yml"
    overlay.write_text(yaml.safe_dump(ours))
    command = (program, "--config", CONFIG, "--config", overlay)
    async with started(*command, env={"TRACE_STORE": "127.0.0.1:1"}) as process:
        assert process.stderr is not None
        async for line in process.stderr:
            if re.search(rb"Everything is ready", line):
                break
        else:
            raise AssertionError(f"the collector did not start with {CONFIG}")
        reader = asyncio.create_task(_drain(process.stderr))
        yield RealCollector(grpc_port, file)
        reader.cancel()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


def _free_ports() -> tuple[int, int]:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
