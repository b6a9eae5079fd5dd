"""A server with a gateway file, before several simulators."""

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from support.app import Stub
from support.log_handlers import attached
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")


@dataclass(frozen=True)
class GatewayWorld:
    """A server and its upstreams.

    Attributes:
        app: The server.
        stub: A client of the server.
        upstreams: The simulators, by the names of the upstreams.
        path: The gateway file.
        events: The records of the reloads.
    """

    app: App
    stub: Stub
    upstreams: dict[str, DemoUpstream]
    path: Path
    events: "asyncio.Queue[logging.LogRecord]"

    def write(
        self,
        models: dict[str, Any],
        upstreams: dict[str, dict[str, Any]],
        callers: dict[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        """Replace the file by another one, as the kubelet does if it is mounted."""
        text = file_text(self.upstreams, models, upstreams, callers, **sections)
        if self.path.is_symlink():
            swap_links(self.path, text)
        else:
            self.path.write_text(text)

    async def reloaded(self, *, at_once: bool = True) -> logging.LogRecord:
        """Wait for the next record of a reload; ask for it, or wait until the change is seen."""
        if at_once:
            self.app.reload()
        return await self.events.get()

    def seen(self) -> dict[str, int]:
        """Return the number of requests that each upstream has received."""
        return {name: upstream.requests_seen for name, upstream in self.upstreams.items()}


@asynccontextmanager
async def gateway_world(  # noqa: PLR0913 - the sections of the file, each by its own name
    folder: Path,
    models: dict[str, Any],
    upstreams: dict[str, dict[str, Any]],
    *,
    callers: dict[str, Any] | None = None,
    issuers: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    mounted: bool = False,
    **settings: Any,
) -> AsyncIterator[GatewayWorld]:
    """Start a simulator for each upstream, and a server with the file of both.

    Args:
        folder: The folder of the file.
        models: The models of the file.
        upstreams: The upstreams of the file, without their addresses.
        callers: The callers of the file; None for everyone.
        issuers: The issuers of tokens of the file.
        limits: What counts the limits of the callers; None for the server itself.
        mounted: Whether the folder is like a mounted ConfigMap.
        settings: Further settings of the server.
    """
    async with AsyncExitStack() as stack:
        running = {
            name: await stack.enter_async_context(DemoUpstream(tokens_per_second=0))
            for name in upstreams
        }
        path = folder / "gateway.yaml"
        text = file_text(running, models, upstreams, callers, issuers=issuers, limits=limits)
        if mounted:
            swap_links(path, text)
        else:
            path.write_text(text)
        values = {"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "config": path}
        app = await stack.enter_async_context(App(config.load(**(values | settings))))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(app.address))
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        events = stack.enter_context(reload_events())
        yield GatewayWorld(app, stub, running, path, events)


def file_text(
    running: dict[str, DemoUpstream],
    models: dict[str, Any],
    upstreams: dict[str, dict[str, Any]],
    callers: dict[str, Any] | None = None,
    **sections: Any,
) -> str:
    """Return a gateway file with the addresses of the simulators."""
    addressed = {
        name: {"base_url": running[name].base_url, **section} for name, section in upstreams.items()
    }
    # JSON is valid YAML.
    file = {"upstreams": addressed, "models": models, "callers": callers, **sections}
    return json.dumps({key: section for key, section in file.items() if section})


def swap_links(path: Path, text: str) -> None:
    """Replace the file of a volume as the kubelet does: a new folder, and a renamed link to it."""
    folder = Path(tempfile.mkdtemp(prefix="..version_", dir=path.parent))
    (folder / path.name).write_text(text)
    new = path.parent / "..data_tmp"
    new.symlink_to(folder.name)
    new.rename(path.parent / "..data")
    if not path.is_symlink():
        path.symlink_to(f"..data/{path.name}")


class Collected(logging.Handler):
    """Collects records that are logged on the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a record."""
        self.records.put_nowait(record)


@contextmanager
def reload_events() -> Iterator["asyncio.Queue[logging.LogRecord]"]:
    """Collect the records of reloads."""
    handler = Collected()
    with attached(handler, "tokenwire.reload"):
        yield handler.records
