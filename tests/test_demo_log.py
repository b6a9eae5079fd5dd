"""The log of the demo upstream about its connections and requests."""

import asyncio
import socket
import time
from contextlib import suppress

import httpx2
import pytest

from support.raw_client import connect
from tokenwire_demo import DemoUpstream

# A plan for each phase in which a client may leave.
PHASES = {
    "before the headers": "stall",
    "before the first token": "headers; stall",
    "mid-stream": "tokens 3; stall",
    "at a barrier": "tokens 1; barrier hold; answer",
    "in a pause": "tokens 1; wait 3600; answer",
    "between paced tokens": "pace tokens-per-second=0.001; answer",
    "before the first paced token": "pace time-to-first-token=3600; answer",
    "among comments": "comments every=3600",
    "blocked in a write": "big-delta 1GB",
    "blocked in a flood of events": "drip every=0",
}


@pytest.mark.parametrize("plan", PHASES.values(), ids=PHASES.keys())
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_is_noticed_in_every_phase(
    upstream: DemoUpstream, plan: str, how: str
) -> None:
    """The log records at once that the client closed and that the request is "client gone"."""
    async with connect(upstream) as client:
        await client.ask(plan)
        await upstream.wait_for_requests(1)
        if plan.startswith(("big", "drip", "tokens")):
            await client.reader.readuntil(b"\r\n\r\n")
        left = time.monotonic()
        if how == "reset":
            client.reset()
        else:
            client.writer.close()
        (connection,) = upstream.connections
        await upstream.wait_closed(connection)
    assert connection.closed is not None
    assert connection.closed >= left
    assert connection.closed_by == "client"
    assert connection.requests[0].outcome == "client gone"
    assert connection.requests[0].ended is not None
    assert (upstream.open_connections, upstream.active_requests) == (0, 0)


async def test_a_client_that_closes_only_its_own_side_is_gone(upstream: DemoUpstream) -> None:
    """A half-closed connection counts as closed by the client."""
    async with connect(upstream) as client:
        await client.ask("stall")
        await upstream.wait_for_requests(1)
        client.writer.write_eof()
        await upstream.wait_until_disconnected()
        assert await client.reader.read() == b""
    assert upstream.connections[0].closed_by == "client"


@pytest.mark.parametrize(
    ("plan", "outcome"), [("tokens 1; close", "closed"), ("tokens 1; reset", "reset")]
)
async def test_a_plan_that_ends_the_connection_is_the_server(
    upstream: DemoUpstream, plan: str, outcome: str
) -> None:
    """The log records that the server closed, and how."""
    async with connect(upstream) as client:
        await client.ask(plan)
        await upstream.wait_for_requests(1)
        (connection,) = upstream.connections
        await upstream.wait_closed(connection)
    assert connection.closed_by == "server"
    assert connection.requests[0].outcome == outcome


async def test_a_request_is_recorded_whole(upstream: DemoUpstream) -> None:
    """A record contains method, path, headers, decoded body, plan, tokens, times and outcome."""
    async with connect(upstream) as client:
        await client.ask("tokens 2; done", text="canary")
        await client.body()
        await upstream.wait_until_idle()
    (request,) = upstream.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["x-demo-plan"] == request.plan == "tokens 2; done"
    assert request.body["messages"] == [{"role": "user", "content": "canary"}]
    assert (request.tokens_sent, request.outcome) == (2, "complete")
    assert request.ended is not None
    opened = upstream.connections[0].opened
    assert opened <= request.started <= request.ended <= time.monotonic()


async def test_idle_connections_are_open_but_not_active(upstream: DemoUpstream) -> None:
    """An idle connection counts as open, and its finished request does not count as active."""
    async with connect(upstream) as idle, connect(upstream) as busy:
        await idle.ask("tokens 1")
        await idle.body()
        await busy.ask("barrier hold; tokens 1")
        await upstream.barrier("hold").reached()
        assert (upstream.open_connections, upstream.active_requests) == (2, 1)
        upstream.barrier("hold").release()
        await upstream.wait_until_idle()
        assert (upstream.open_connections, upstream.active_requests) == (2, 0)
    await upstream.wait_until_disconnected()
    assert upstream.open_connections == 0
    assert {one.closed_by for one in upstream.connections} == {"client"}


async def test_a_barrier_holds_all_and_lets_all_go(upstream: DemoUpstream) -> None:
    """Connections wait at a barrier until it is released; later ones pass."""
    barrier = upstream.barrier("hold")
    async with connect(upstream) as one, connect(upstream) as two, connect(upstream) as late:
        await one.ask("barrier hold; tokens 1")
        await two.ask("barrier hold; tokens 1")
        await barrier.reached(2)
        assert barrier.waiting == 2
        barrier.release()
        for client in (one, two):
            assert await client.body()
        await late.ask("barrier hold; tokens 1")
        assert await late.body()
    assert barrier.waiting == 0


async def test_a_released_barrier_cannot_be_reached(upstream: DemoUpstream) -> None:
    """Waiting at a released barrier raises an error instead of blocking forever."""
    upstream.barrier("hold").release()
    with pytest.raises(RuntimeError, match="barrier 'hold' is released"):
        await upstream.barrier("hold").reached()


async def test_a_client_that_leaves_a_barrier_no_longer_waits(upstream: DemoUpstream) -> None:
    """A barrier counts only open connections."""
    async with connect(upstream) as client:
        await client.ask("barrier hold; tokens 1")
        await upstream.barrier("hold").reached()
    await upstream.wait_until_disconnected()
    assert upstream.barrier("hold").waiting == 0


@pytest.mark.parametrize("plan", [*PHASES.values(), "tokens 1"])
async def test_closing_the_upstream_leaves_nothing_behind(plan: str) -> None:
    """After aclose no connection and no task is left, whatever the plan was doing."""
    before = asyncio.all_tasks()
    upstream = DemoUpstream()
    await upstream.start()
    async with connect(upstream) as client, connect(upstream):
        await client.ask(plan)
        await upstream.wait_for_requests(1)
        await upstream.aclose()
        assert asyncio.all_tasks() == before
        assert (upstream.open_connections, upstream.active_requests) == (0, 0)
        assert {one.closed_by for one in upstream.connections} == {"server"}
        assert upstream.requests[0].outcome in ("stopped", "complete")
    await upstream.aclose()


@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
async def test_closing_the_upstream_closes_connections_that_it_has_just_accepted(
    iterations: int,
) -> None:
    """A connection that asyncio has not reported yet is closed too."""
    upstream = DemoUpstream()
    await upstream.start()
    with socket.create_connection(("127.0.0.1", httpx2.URL(upstream.base_url).port)) as client:
        client.setblocking(False)  # noqa: FBT003 - the only way to call it
        for _ in range(iterations):
            await asyncio.sleep(0)
        await upstream.aclose()
        with suppress(ConnectionResetError):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_an_upstream_may_be_started_again_on_its_port() -> None:
    """An upstream can be stopped and started again at the same address, as in an outage."""
    upstream = DemoUpstream()
    with pytest.raises(RuntimeError, match="no address before it is started"):
        _ = upstream.base_url
    await upstream.start()
    address = upstream.base_url
    with pytest.raises(RuntimeError, match="already started"):
        await upstream.start()
    await upstream.aclose()
    async with upstream:
        assert upstream.base_url == address
        async with connect(upstream) as client:
            await client.ask("tokens 1")
            assert await client.body()


async def test_the_log_forgets_the_oldest() -> None:
    """The log is bounded, and records of open connections are kept."""
    async with DemoUpstream(log_limit=2) as upstream, connect(upstream) as kept:
        await kept.ask("tokens 1")
        await kept.body()
        for _ in range(4):
            async with connect(upstream) as client:
                await client.ask("tokens 1")
                await client.body()
        await upstream.until(lambda: upstream.open_connections == 1)
        assert len(upstream.requests) == 2
        assert [one.closed is None for one in upstream.connections] == [True, False, False]
        assert upstream.connections[0].requests == []
        assert upstream.requests_seen == 5


async def test_an_oversized_request_is_cut_off(upstream: DemoUpstream) -> None:
    """The connection of an oversized request body is reset."""
    async with connect(upstream) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await client.send(b"x" * 70_000_000)
    assert upstream.connections[0].closed_by == "server"


@pytest.mark.parametrize("setting", ["time_to_first_token", "tokens_per_second"])
def test_negative_times_are_refused(setting: str) -> None:
    """A negative pace raises an error that names the setting."""
    with pytest.raises(ValueError, match=f"{setting} must be a number of at least 0, got -1"):
        DemoUpstream(**{setting: -1})  # type: ignore[arg-type]
