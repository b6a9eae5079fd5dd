"""Row 54: slow, many or invalid requests to the metrics port use a fixed number of threads."""

import asyncio
import resource
import signal
import socket
import struct
import threading
from collections.abc import Iterator

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2

from support.health import SERVING, health_of
from support.helpers import collect
from support.metrics_port import GET, HALF, SECONDS, port, threads_of
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

CROWD = 1_010
DESCRIPTORS = 1_024
SOME_THREADS = 8
"""Threads that gRPC may start meanwhile."""
FILLING = 16 << 20
"""More than the buffers of a connection hold."""


@pytest.fixture
def _room_for_the_crowd() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * CROWD), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_room_for_the_crowd")
async def test_row_54_a_crowd_of_half_requests_costs_grpc_nothing(upstream: DemoUpstream) -> None:
    """With 1,010 incomplete scrapes and 1,024 descriptors, calls, health and scrapes work."""
    env = {"OPENAI_BASE_URL": upstream.base_url}
    async with (
        ServerProcess(env=env) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        httpx2.AsyncClient(base_url=f"http://{server.metrics_address}") as client,
    ):
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="warm up")))
        await client.get("/metrics")
        threads = threads_of(server.pid)
        host, _, number = server.metrics_address.rpartition(":")
        crowd = [await asyncio.open_connection(host, int(number)) for _ in range(CROWD)]
        for _, writer in crowd:
            writer.write(HALF)
        text = (await client.get("/metrics")).text
        assert 'tokenwire_metrics_connections_dropped_total{reason="limit"} 9' in text
        assert (await client.get("/healthz")).text == "ok\n"
        asked = health_pb2.HealthCheckRequest()
        async with grpc.aio.insecure_channel(server.address) as another:
            assert (await health_of(another).Check(asked)).status == SERVING
        answers = await collect(stub.Send(pb.Message(content="hello")))
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        assert threads_of(server.pid) <= threads + SOME_THREADS
        for _, writer in crowd:
            writer.close()
        assert {entry["event"] for entry in server.entries} == {"serving", "call ended"}
        assert len(server.entries) == len(server.log_lines)


async def test_row_54_resets_and_garbage_leave_no_traceback(upstream: DemoUpstream) -> None:
    """Peers that reset the connection, or send TLS or garbage, cause no line in the log."""
    texts = [
        *(b"", HALF, GET, b"\r\n" * 1_000, b"\xff\xfe \r\n\r\n", b"GET /" + b"x" * 100_000),
        *(b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ]
    async with (
        ServerProcess(env={"OPENAI_BASE_URL": upstream.base_url}) as server,
        httpx2.AsyncClient(base_url=f"http://{server.metrics_address}") as client,
    ):
        host, _, number = server.metrics_address.rpartition(":")
        for text in texts:
            with socket.create_connection((host, int(number))) as peer:
                peer.sendall(text)
                # Closing the socket then resets the connection.
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert (await client.get("/metrics")).status_code == httpx2.codes.OK
        server.signal(signal.SIGINT)
        await server.wait()
        assert {entry["level"] for entry in server.entries} == {"info"}
        assert len(server.entries) == len(server.log_lines)


async def test_row_54_who_sends_nothing_makes_room() -> None:
    """At the limit, a new connection replaces the one that has been silent for the longest time."""
    async with port(connections=3, request_seconds=3_600) as served:
        silent = [await served.open(HALF) for _ in range(3)]
        assert b"gated" in await (await served.open(GET)).everything()
        assert await silent[0].everything() == b""
        assert served.dropped("limit") == 1
        silent[1].writer.write(GET[len(HALF) :])
        assert b"gated" in await silent[1].everything()


async def test_row_54_who_does_not_read_makes_room() -> None:
    """Peers that request large responses and do not read them do not keep others out."""
    async with port(connections=2, response_seconds=3_600) as served:
        served.gate.size = FILLING
        unread = [await served.open(GET) for _ in range(2)]
        for peer in unread:
            # Once the headers have arrived, the rest waits in the server.
            await peer.reader.readuntil(b"\r\n\r\n")
        served.gate.size = 1
        assert b"gated" in await (await served.open(GET)).everything()
        assert served.dropped("limit") == 1


async def test_row_54_a_full_port_refuses() -> None:
    """While all connections wait for their text, a new one is closed at once, and counted."""
    async with port(connections=1) as served:
        served.gate.opened.clear()
        waiting = await served.open(GET)
        assert await asyncio.to_thread(served.gate.entered.wait, SECONDS)
        assert await (await served.open(GET)).everything() == b""
        assert served.dropped("limit") == 1
        served.gate.opened.set()
        assert b"gated" in await waiting.everything()


async def test_row_54_a_request_has_its_time() -> None:
    """A request that is not complete in time is dropped, even if bytes keep arriving."""
    async with port(request_seconds=0.2) as served:
        half, silent = await served.open(HALF), await served.open()
        for peer in (half, silent):
            assert await peer.everything() == b""
        assert served.dropped("timeout") == 2
        drip = await served.open()
        dripping = asyncio.create_task(drip.drip())
        assert await drip.everything() == b""
        dripping.cancel()
        assert served.dropped("timeout") == 3


async def test_row_54_a_response_has_its_time() -> None:
    """A response that is not read in time is dropped, and is incomplete."""
    async with port(response_seconds=0.2) as served:
        served.gate.size = FILLING
        peer = await served.open(GET)
        await peer.reader.readuntil(b"\r\n\r\n")
        await served.until_dropped("timeout", 1)
        assert len(await peer.everything()) < FILLING


async def test_row_54_scrapes_at_once_share_a_text() -> None:
    """Thirty scrapes that arrive during another one share one text, and use two threads in all."""
    before = set(threading.enumerate())
    async with port() as served, httpx2.AsyncClient(base_url=served.url) as client:
        served.gate.opened.clear()
        first = asyncio.create_task(client.get("/metrics"))
        assert await asyncio.to_thread(served.gate.entered.wait, SECONDS)
        more = [await served.open(GET) for _ in range(30)]
        # Connections are accepted in order, so the scrapes before this request have begun.
        assert (await client.get("/healthz")).text == "ok\n"
        served.gate.opened.set()
        texts = {(await peer.everything()).partition(b"\r\n\r\n")[2] for peer in more}
        assert len(texts) == 1
        assert served.gate.collected == 2
        assert b'gated{filling="x"} 2.0' in texts.pop()
        assert 'gated{filling="x"} 1.0' in (await first).text
        started = set(threading.enumerate()) - before
        ours = [each for each in started if each.name.startswith("metrics")]
        assert len(ours) == 2


async def test_row_54_a_scrape_waits_so_long_and_no_longer() -> None:
    """A scrape whose text is not ready in time gets 503 with Retry-After."""
    async with (
        port(wait_seconds=0.2) as served,
        httpx2.AsyncClient(base_url=served.url, timeout=SECONDS) as client,
    ):
        served.gate.opened.clear()
        response = await client.get("/metrics")
        assert response.status_code == httpx2.codes.SERVICE_UNAVAILABLE
        assert response.headers["retry-after"] == "1"
        served.gate.opened.set()
        assert (await client.get("/metrics")).status_code == httpx2.codes.OK


async def test_row_54_a_port_without_descriptors_comes_back(upstream: DemoUpstream) -> None:
    """A port without descriptors logs EMFILE, and serves again once descriptors are free."""
    async with (
        ServerProcess(env={"OPENAI_BASE_URL": upstream.base_url}) as server,
        httpx2.AsyncClient(base_url=f"http://{server.metrics_address}", timeout=SECONDS) as client,
    ):
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (1, hard))
        waiting = asyncio.create_task(client.get("/healthz"))
        entry = await server.logged("metrics port accepts no connection")
        assert (entry["error"], entry["level"]) == ("EMFILE", "warning")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert (await waiting).text == "ok\n"
        assert len(server.entries) == len(server.log_lines)
