"""One service per fault, each of which is a job of one Prometheus."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from prometheus_server import Prometheus
from support.app import MODEL
from support.crew import WORKERS, crew, pid_of
from support.faulty_callers import start_callers
from support.faulty_routes import FLAKY, LIMITED, GatewayFiles
from support.faulty_tls import start_tls
from support.observed import LATE, WHOLE, caller
from support.process import ServerProcess
from support.programs import started
from support.scaled_rules import names_in_rules, scaled_rules
from tokenwire import config
from tokenwire.app import App
from tokenwire.limits import shared
from tokenwire.observability.usage import writer as usage_writer
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

LAGGING = Path(__file__).parent / "lagging_server.py"
REFUSING = "http://127.0.0.1:1"
FROM_THE_START = {
    ("lagging", "TokenwireEventLoopLag"),
    ("expiring", "TokenwireCertificateExpiresSoon"),
    ("expiring", "TokenwireCertificateExpiresNow"),
}
"""Alerts of services that have their fault from the start."""
A_FEW = 20
"""At five calls a second, more than a minute of traffic in the scaled time of the rules."""


@dataclass(frozen=True)
class Traffic:
    """How a service is called, and how its upstream answers.

    Attributes:
        plan: The plan of the upstream.
        content: The prompt of the callers.
        count: The number of calls; None means no limit.
        timeout: The deadline of the callers in seconds.
        patience: The seconds after which the callers cancel.
        every: The seconds between the starts of two calls.
    """

    plan: str = WHOLE
    content: str = "hello"
    count: int | None = None
    timeout: float | None = None
    patience: float | None = None
    every: float = 0.2


USUAL = Traffic()


class Services:
    """Starts services, each as a job; `begin` begins their faults.

    Attributes:
        targets: The addresses of the metrics, by job.
    """

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._faults: list[Callable[[], Awaitable[None]]] = []
        self.targets: dict[str, list[str]] = {}

    async def start(self) -> None:
        """Start every service without its fault."""
        await self._called("well")
        await self._called("failing", Traffic("status 500"))
        await self._called("late", Traffic(LATE))
        await self._called("hanging", Traffic("stall", timeout=5, every=0.5))
        await self._called("giving-up", Traffic("stall", patience=3, every=0.5))
        await self._called("stalling", Traffic("tokens 1; stall", timeout=5, every=0.5))
        full = {"max_streams": 2, "max_queue": 0, "first_token_timeout_seconds": 600}
        await self._called("full", Traffic("stall"), **full)
        await self._called("rejecting", Traffic(content=" "))
        await self._called("silent", Traffic(count=A_FEW))
        await self._called("traceless", otlp_endpoint=REFUSING)
        draining = await self._called("draining", drain_seconds=600)
        self._faults.append(draining.drain)
        await self._lagging()
        await self._killed()
        await self._crashing()
        await self._unwritten()
        await self._routes()
        self._faults += await start_tls(self._served, self._folder)
        self._faults += await start_callers(self._served, self._stack, self._folder)

    async def begin(self) -> None:
        """Begin the calls of the services, and all faults."""
        running = [asyncio.ensure_future(fault()) for fault in self._faults]

        async def end() -> None:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def _called(self, job: str, traffic: Traffic = USUAL, **overrides: Any) -> App:
        """Start a server that is called periodically."""
        app = await self._served(job, traffic.plan, **overrides)
        message = pb.Message(content=traffic.content)

        async def call() -> None:
            async with caller(app.address) as stub, asyncio.TaskGroup() as group:
                for _ in itertools.count() if traffic.count is None else range(traffic.count):
                    sent = stub.Send(message, timeout=traffic.timeout)
                    group.create_task(_ended(sent, traffic.patience))
                    await asyncio.sleep(traffic.every)

        self._faults.append(call)
        return app

    async def _served(self, job: str, plan: str = WHOLE, **overrides: Any) -> App:
        values = {"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", **overrides}
        if "config" not in overrides:
            upstream = await self._stack.enter_async_context(DemoUpstream(plan=plan))
            values |= {"base_url": upstream.base_url, "model": MODEL}
        app = await self._stack.enter_async_context(App(config.load(**values)))
        self.targets[job] = [app.metrics_address]
        return app

    async def _routes(self) -> None:
        files = GatewayFiles(self._stack, self._folder)
        for job, plans, traffic in (
            ("route-open", (LIMITED, []), USUAL),
            ("route-flaky", (FLAKY, []), Traffic(every=0.1)),
            ("model-lost", (LIMITED,), Traffic(timeout=1, every=0.5)),
        ):
            await self._called(job, traffic, config=await files.write(job, *plans))
        full = await files.write("route-full", ["stall"], max_streams=1, first_token_timeout="600s")
        await self._called("route-full", Traffic(count=2), config=full)
        away = {"away": {"issuer": "http://127.0.0.1:1", "audience": "tokenwire"}}
        await self._served("issuer-away", config=await files.write("issuer-away", [], issuers=away))
        invalid = await files.write("file-invalid", [])
        app = await self._served("file-invalid", config=invalid)

        async def break_the_file() -> None:
            invalid.write_text("models: {}")
            app.reload()

        self._faults.append(break_the_file)

    async def _unwritten(self) -> None:
        folder = self._folder / "unwritten"
        folder.mkdir()
        await self._called("unwritten", usage_file=folder / "usage.jsonl")

        async def remove_the_folder() -> None:
            folder.rename(folder.with_name("removed"))

        self._faults.append(remove_the_folder)

    async def _lagging(self) -> None:
        process = await self._stack.enter_async_context(started(sys.executable, LAGGING))
        assert process.stdout is not None
        self.targets["lagging"] = [(await process.stdout.readline()).decode().strip()]

    async def _killed(self) -> None:
        server = await self._stack.enter_async_context(ServerProcess("--demo"))
        self.targets["killed"] = [server.metrics_address]

        async def kill() -> None:
            server.signal(signal.SIGKILL)

        self._faults.append(kill)

    async def _crashing(self) -> None:
        upstream = await self._stack.enter_async_context(DemoUpstream())
        server = await self._stack.enter_async_context(crew(upstream))
        self.targets["crashing"] = [server.metrics_address]

        async def kill_again_and_again() -> None:
            for times in itertools.count(1):
                os.kill(pid_of(server, 0), signal.SIGKILL)
                await server.logged("worker serving", WORKERS + times)

        self._faults.append(kill_again_and_again)


async def _ended(call: "grpc.aio.UnaryStreamCall[Any, Any]", patience: float | None) -> None:
    """Read a call until it ends, or for `patience` seconds like a client with its own timeout."""
    with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):
        async with asyncio.timeout(patience):
            async for _ in call:
                pass


@asynccontextmanager
async def faulty(folder: Path) -> AsyncIterator[Prometheus]:
    """Run every service under a Prometheus whose rules have short times; then begin all faults."""
    async with AsyncExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        environment.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
        environment.setattr(usage_writer, "QUEUE_BYTES", 4_000)
        environment.setattr(shared, "MAX_UNSENT", 3)
        services = Services(stack, folder)
        await services.start()
        prometheus = await stack.enter_async_context(
            # Only what the rules read, because one process renders the metrics of all services.
            Prometheus(
                folder,
                services.targets,
                scaled_rules(folder),
                interval=0.5,
                names=names_in_rules(),
            )
        )
        await prometheus.scraped()
        # The start of so many services in one process makes its event loop late for a moment.
        await prometheus.until_firing_only(FROM_THE_START)
        await services.begin()
        yield prometheus
