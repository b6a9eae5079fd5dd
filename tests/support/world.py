"""A server, its upstream and everything they expose, with the invariants of each call."""

import asyncio
import io
import logging
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import generate_latest

from support.app import MODEL, Stub
from support.helpers import ended, reason_of
from support.otlp import Collector
from support.waiting import count_descriptors, count_tasks, within
from tokenwire import config
from tokenwire.app import App
from tokenwire.observability import logs
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

CANARY = "canary"
"""A part of every planted secret; it must appear nowhere but in answers."""

KEY = f"sk-{CANARY}-key"
ORGANIZATION = f"{CANARY}-organization"
PROMPT = f"{CANARY}-prompt"
SYSTEM = f"{CANARY}-system"


class Log(io.StringIO):
    """The log of the service; reading it first flushes queued entries."""

    def getvalue(self) -> str:
        for handler in logging.getLogger().handlers:
            handler.flush()
        return super().getvalue()


class World:
    """One server with one upstream, and everything observable from outside.

    The prompt, the system prompt, the key, the organisation and the upstream's
    path contain canaries. A row's test calls `send` and then `check`.

    Attributes:
        app: The server.
        upstream: The upstream; its faults are planned with `upstream.script`.
        stub: A client of the server.
        channel: The client's channel.
        spans: The spans that an OTLP collector received.
    """

    def __init__(self, app: App, upstream: DemoUpstream, channel: grpc.aio.Channel) -> None:
        self.app = app
        self.upstream = upstream
        self.channel = channel
        self.stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        self.log = Log()
        self.collector = Collector()
        self._before: dict[str, float] = {}
        self._tasks = self._descriptors = self._connections = 0
        self._spans = self._clean = self._shed = 0

    async def start(self) -> None:
        """Make one successful call, so that everything lazy exists, and record the baseline."""
        await self.warm_up(1)

    async def warm_up(self, calls: int) -> None:
        """Make `calls` successful calls at once and record the baseline with their connections."""
        if calls == 1:
            # Without a plan, so that the upstream may be of another kind.
            await self.ended(self.send("warm up"))
        else:
            await self._warm_up_at_once(calls)
        await self.upstream.wait_until_idle()
        self._spans = len(await self.collector.received(self._spans + calls))
        self._before = self._errors()
        self._connections = self.upstream.open_connections
        self._tasks = count_tasks()
        self._descriptors = count_descriptors()

    async def _warm_up_at_once(self, calls: int) -> None:
        barrier = f"warm-up-{self.upstream.requests_seen}"
        self.upstream.script(*[f"barrier {barrier}; answer"] * calls)
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                group.create_task(self.ended(self.send("warm up")))
            await self.upstream.barrier(barrier).reached(calls)
            self.upstream.barrier(barrier).release()

    def send(
        self, content: str = PROMPT, params: pb.Params | None = None, **options: Any
    ) -> "grpc.aio.UnaryStreamCall[Any, Any]":
        """Start a call; `options` are gRPC's, such as `timeout`."""
        message = pb.Message(content=content, system=SYSTEM, params=params)
        return self.stub.Send(message, **options)

    async def ended(
        self, call: AsyncIterable[pb.Answer]
    ) -> tuple[list[pb.Answer], grpc.aio.AioRpcError | None]:
        """Read a call to its end; return its answers, and its error if it failed."""
        return await ended(call)

    async def fails(
        self, plan: str, code: grpc.StatusCode, reason: str, **options: Any
    ) -> tuple[list[pb.Answer], grpc.aio.AioRpcError]:
        """Make one call against `plan`; check how it fails and that the invariants hold.

        The plan applies to every attempt, so a retry meets the same fault.
        """
        self.upstream.script(plan, plan)
        answers, error = await self.ended(self.send(**options))
        assert error is not None, f"the call ended well, with {answers[-1:]}"
        assert (error.code(), reason_of(error)) == (code, reason)
        assert error.code() is not grpc.StatusCode.UNAVAILABLE or not answers
        if answers:
            last = answers[-1]
            assert last == pb.Answer(error=reason, usage=last.usage)
            assert last.usage.output_tokens
        assert_clean(error.details(), error.trailing_metadata(), error.initial_metadata())
        await self.check(code, reason)
        return answers, error

    async def succeeds(self, plan: str, **options: Any) -> list[pb.Answer]:
        """Make one call against `plan`; check that it succeeds and that the invariants hold."""
        self.upstream.script(plan)
        answers, error = await self.ended(self.send(**options))
        assert error is None, f"{error.code()}: {error.details()}" if error else ""
        await self.check(grpc.StatusCode.OK)
        return answers

    async def check(self, code: grpc.StatusCode, reason: str = "", calls: int = 1) -> Span:
        """Check the invariants after `calls` calls with the same result; return the last span."""
        return (await self.check_all([(code, reason)] * calls))[-1]

    async def check_all(self, endings: Iterable[tuple[grpc.StatusCode, str]]) -> list[Span]:
        """Check the invariants after calls with the given results; return the spans of all calls.

        No call is in flight; upstream connections, tasks and descriptors return to the
        baseline; the error counter of each `code` and `reason` has
        increased by one for each such call, except for OK; metrics, logs and spans contain
        no canary. Each call has a span, except calls that were shed.
        """
        calls = Counter(endings)
        metrics = await self.at_rest()
        errors = self._errors()
        risen = {key: value - self._before.get(key, 0) for key, value in errors.items()}
        expected = {
            error_series(code, reason): count
            for (code, reason), count in calls.items()
            if code is not grpc.StatusCode.OK
        }
        assert {key: value for key, value in risen.items() if value} == expected
        self._before = errors
        shed, self._shed = self._shed, self.shed()
        before, self._spans = self._spans, self._spans + calls.total() - (self._shed - shed)
        spans = await self.collector.received(self._spans)
        fresh = self.collector.spans[self._clean :]
        self._clean += len(fresh)
        assert_clean(metrics, self.log.getvalue(), fresh)
        assert "Traceback" not in self.log.getvalue()
        return spans[before:]

    async def at_rest(self) -> str:
        """Check that nothing is in flight or left over; return the metrics."""
        await within(10, "upstream requests ended", lambda: not self.upstream.active_requests)
        await within(
            10,
            "upstream connections at baseline",
            lambda: self.upstream.open_connections <= self._connections,
        )
        await within(10, "tasks at baseline", lambda: count_tasks() <= self._tasks)
        await within(
            10, "descriptors at baseline", lambda: count_descriptors() <= self._descriptors
        )
        none = ("tokenwire_streams_in_flight 0.0", "tokenwire_queue_length 0.0")
        await within(10, "gauges at 0", lambda: all(each in self.metrics() for each in none))
        return self.metrics()

    def shed(self) -> int:
        """Return the number of calls that were rejected before any other work was done for them."""
        return int(self.app.metrics.registry.get_sample_value("tokenwire_shed_calls_total") or 0)

    def metrics(self) -> str:
        """Return the metrics as Prometheus reads them, even after the server has stopped."""
        return generate_latest(self.app.metrics.registry).decode()

    def _errors(self) -> dict[str, float]:
        lines = self.metrics().splitlines()
        return {
            series: float(value)
            for series, _, value in (line.rpartition(" ") for line in lines)
            if series.startswith("tokenwire_errors_total{")
        }


async def save_up(world: World) -> None:
    """Make enough successful calls to pay for one retry."""
    for _ in range(RETRY_COST):
        await world.ended(world.send())
    await world.check(grpc.StatusCode.OK, calls=RETRY_COST)


def error_series(code: grpc.StatusCode, reason: str) -> str:
    """Return the exposed name and labels of an error counter."""
    return f'tokenwire_errors_total{{grpc_code="{code.name}",reason="{reason or code.name}"}}'


def assert_clean(*shown: object) -> None:
    """Assert that no value contains a canary."""
    for each in shown:
        assert CANARY not in str(each)


@contextmanager
def restored_logging() -> Iterator[None]:
    """Undo a server's changes to the logging of the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@asynccontextmanager
async def open_collector() -> AsyncIterator[Collector]:
    """Start a trace collector."""
    collector = Collector()
    await collector.start()
    try:
        yield collector
    finally:
        await collector.stop()


@asynccontextmanager
async def open_world(monkeypatch: pytest.MonkeyPatch, **overrides: Any) -> AsyncIterator[World]:
    """Start a world; `overrides` are settings of its server."""
    async with open_collector() as collector, DemoUpstream() as upstream:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{collector.address}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        values = {
            # The canary is in the path, since the host must resolve.
            "base_url": upstream.base_url.replace("/v1", f"/{CANARY}-host/v1"),
            "api_key": KEY,
            "organization": ORGANIZATION,
            "model": MODEL,
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            "log_level": "debug",
            "log_format": "json",
            "drain_seconds": 0,
        }
        loaded = config.load(**(values | overrides))
        logs.configure(loaded)
        [handler] = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
        async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:
            world = World(app, upstream, channel)
            world.collector = collector
            handler.setStream(world.log)
            await world.start()
            yield world
        handler.close()
