"""gRPC's own retry policies in Go, Node and Java: when they come back, and what they never repeat.

The service configs are those of examples/retries, and the programs print the details of a failure.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.app import StartApp
from support.examples import SHORT_TIMEOUT, Examples
from support.gateway import HELLO, gateway_world
from support.helpers import collect, ended
from support.limits import KEY, bearer, callers
from support.log_handlers import attached
from support.programs import ROOT, Outcome, run
from support.waiting import within
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

CONFIGS = ROOT / "examples" / "retries"
INTERACTIVE = CONFIGS / "interactive.json"
BATCH = CONFIGS / "batch.json"
MODELS = {"smart": {"routes": "one/a", "price": {"input": 1000, "output": 2000}}}
NEVER = "status 402"
"""A plan that ends with the pushback -1."""
TOLD = 0.7
LATER = f"status 429 retry-after-ms={TOLD * 1000:.0f}"
LOG_LAG = 0.1
"""The longest time that a call's log record may come after its status has reached the client."""


class EndedCalls(logging.Handler):
    """Collects the times at which calls were logged."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def emit(self, _: logging.LogRecord) -> None:
        """Collect the time of a record."""
        self.times.append(time.monotonic())


@contextmanager
def ended_calls() -> Iterator[list[float]]:
    """Collect the times at which calls end, by the log."""
    handler = EndedCalls()
    with attached(handler, "tokenwire.call"):
        yield handler.times


def changed(source: Path, folder: Path, *, backoff: str = "0.01s", **entries: Any) -> Path:
    """Write a service config with another backoff, so that longer waits are the server's."""
    config = json.loads(source.read_text("utf-8")) | entries
    for policy in (entry["retryPolicy"] for entry in config["methodConfig"]):
        policy |= {"initialBackoff": backoff, "maxBackoff": backoff}
    path = folder / source.name
    path.write_text(json.dumps(config))
    return path


async def retries(
    examples: Examples, address: str, config: Path, text: str = "hello", *key: str, option: str = ""
) -> Outcome:
    """Run the example of retries to its end."""
    options = (option,) if option else ()
    program = examples.program("retries")
    return await run(*program, *options, address, config, text, *key, within=60)


@asynccontextmanager
async def occupied(app: App, upstream: DemoUpstream, key: str = "") -> AsyncIterator[asyncio.Event]:
    """Hold a call until the event is set."""
    upstream.script("barrier held; answer")
    release = asyncio.Event()
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: chatgpt_pb2_grpc.ChatgptAsyncStub = chatgpt_pb2_grpc.ChatgptStub(channel)
        call = asyncio.create_task(ended(stub.Send(HELLO, metadata=bearer(key) if key else None)))
        await upstream.barrier("held").reached()

        async def free() -> None:
            await release.wait()
            upstream.barrier("held").release()
            await call

        freeing = asyncio.create_task(free())
        yield release
        release.set()
        await freeing


@pytest.mark.parametrize(
    "row",
    [(BATCH, LATER), (INTERACTIVE, LATER.replace("429", "503"))],
    ids=["RESOURCE_EXHAUSTED", "UNAVAILABLE"],
)
async def test_row_14_comes_back_when_told(
    examples: Examples, app: App, upstream: DemoUpstream, tmp_path: Path, row: tuple[Path, str]
) -> None:
    """Each attempt follows after the time that the upstream says, not after the policy's own."""
    config, plan = row
    upstream.script(plan, plan)
    done = await retries(examples, app.address, changed(config, tmp_path))
    assert done.code == 0, done.stderr
    starts = [request.started for request in upstream.requests]
    assert len(starts) == 3
    assert all(later - earlier >= TOLD for earlier, later in pairwise(starts))


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [("tokens 2; stall", "client gone"), (LATER.replace("700", "60000"), "complete")],
    ids=["during the answer", "during a wait"],
)
async def test_the_deadline_ends_all_attempts(
    examples: Examples, app: App, upstream: DemoUpstream, plan: str, outcome: str
) -> None:
    """The caller's deadline ends the call, in the midst of an answer or before the next attempt."""
    upstream.script(plan)
    begun = time.monotonic()
    option = examples.short_timeout
    done = await retries(examples, app.address, BATCH, option=option)
    assert time.monotonic() - begun >= SHORT_TIMEOUT
    assert done.code == 1
    assert f"{examples.deadline_exceeded}: " in done.stderr
    await within(10, "the upstream's request has ended", lambda: bool(upstream.requests[0].outcome))
    assert [request.outcome for request in upstream.requests] == [outcome]


async def test_row_15_is_not_repeated(
    examples: Examples, app: App, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A pushback of -1 ends the call with its first attempt, and the reason is printed."""
    upstream.script(NEVER, NEVER)
    done = await retries(examples, app.address, changed(BATCH, tmp_path))
    assert (done.code, len(upstream.requests)) == (1, 1)
    assert f"{examples.resource_exhausted}: " in done.stderr
    assert "reason: UPSTREAM_QUOTA_EXHAUSTED of tokenwire\n" in done.stderr


async def test_a_failing_server_throttles_retries(
    examples: Examples, app: App, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """With half of the tokens of `retryThrottling` used, a failed call is not repeated."""
    upstream.script("status 503", "status 503")
    throttling = {"maxTokens": 2, "tokenRatio": 0.1}
    config = changed(INTERACTIVE, tmp_path, retryThrottling=throttling)
    done = await retries(examples, app.address, config)
    assert (done.code, len(upstream.requests)) == (1, 1)
    assert f"{examples.unavailable}: " in done.stderr


async def test_row_35_waits_for_a_slot(
    examples: Examples, start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A full server is asked again after the second that it says."""
    app = await start_app(max_streams=1, max_queue=0)
    async with occupied(app, upstream) as release:
        config = changed(BATCH, tmp_path)
        await _waits_a_second(examples, app, upstream, release=release, config=config)


async def test_row_62_waits_for_a_stream(examples: Examples, tmp_path: Path) -> None:
    """A caller with too many calls comes back after the second that it is told."""
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=callers(streams=1)) as world:
        one, config = world.upstreams["one"], changed(BATCH, tmp_path)
        async with occupied(world.app, one, KEY) as release:
            await _waits_a_second(examples, world.app, one, KEY, release=release, config=config)


async def _waits_a_second(
    examples: Examples,
    app: App,
    upstream: DemoUpstream,
    *key: str,
    release: asyncio.Event,
    config: Path,
) -> None:
    """Let a program be rejected, make room for it, and check when it comes back."""
    with ended_calls() as times:
        program = asyncio.create_task(retries(examples, app.address, config, "hello", *key))
        await within(60, "a rejection", lambda: bool(times) or program.done())
        rejected = times[0]
        release.set()
        done = await program
    assert done.code == 0, done.stderr
    assert len(upstream.requests) == 2
    assert upstream.requests[-1].started - rejected >= 1 - LOG_LAG


async def test_row_41_goes_to_the_next_instance(
    examples: Examples, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A call of a server that stops is repeated by the policy, at the one in its place."""
    first = await start_app(grace_seconds=0.1)
    upstream.script("barrier stopping", "answer")
    program = asyncio.create_task(retries(examples, first.address, BATCH))
    await upstream.barrier("stopping").reached()
    await first.drain()
    await start_app(listen=first.address)
    done = await program
    assert done.code == 0, done.stderr
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("limits", "reason", "limit"),
    [
        ({"requests": "1/m"}, "CALLER_RATE_LIMITED", "requests/m"),
        ({"dollars": "0.55/month"}, "CALLER_BUDGET_EXHAUSTED", "dollars/month"),
    ],
    ids=["row 61", "row 63"],
)
async def test_rows_61_and_63_name_the_limit(
    examples: Examples, tmp_path: Path, limits: dict[str, str], reason: str, limit: str
) -> None:
    """The details of a limit are read: its name, and when there is room again."""
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=callers(**limits)) as world:
        world.upstreams["one"].script("tokens 10; finish; usage 20 10; done")
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        config = tmp_path / "none.json"
        config.write_text("{}")
        if reason == "CALLER_BUDGET_EXHAUSTED":
            config = changed(BATCH, tmp_path)  # the pushback of -1 prevents retries
        with ended_calls() as times:
            done = await retries(examples, world.app.address, config, "hello", KEY)
    assert (done.code, len(times)) == (1, 1)
    assert f"{examples.resource_exhausted}: " in done.stderr
    assert f"reason: {reason} of tokenwire\n" in done.stderr
    assert f"limit: {limit}\n" in done.stderr
    assert "retry after: " in done.stderr


async def test_row_37_names_the_field(examples: Examples, app: App) -> None:
    """The details of an invalid request are read: the field, and what it must be."""
    done = await retries(examples, app.address, INTERACTIVE, " ")
    assert done.code == 1
    assert f"{examples.invalid_argument}: " in done.stderr
    assert "reason: EMPTY_PROMPT of tokenwire\n" in done.stderr
    assert "field: content must hold more than white space\n" in done.stderr
