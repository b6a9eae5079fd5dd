"""The pages of the metrics port, as scrapers and probes request them."""

import asyncio
import gzip
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from support.app import StartApp
from support.metrics_port import GET, SECONDS, port
from tokenwire.observability.metrics_server import Limits, MetricsServer, PortMetrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


ACCEPTS = [
    (PROMETHEUS, OPENMETRICS),
    ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
    ('APPLICATION/OPENMETRICS-TEXT ; Version="1.0.0" ;q=1', OPENMETRICS),
    ("application/openmetrics-text", OPENMETRICS),
    ("application/openmetrics-text;version=1.0.0;q=0.2, text/plain;version=0.0.4;q=0.3", TEXT),
    ("application/openmetrics-text;version=1.0.0;q=0", TEXT),
    ("application/openmetrics-text;version=x", TEXT),
    ("application/openmetrics-text;version=1.x", TEXT),
    ("application/openmetrics-text;version=0.0.1", TEXT),
    ("application/openmetrics-text;version=9.9.9", TEXT),
    ("application/openmetrics-text;version=" + "9" * 8_000, TEXT),
    ("application/openmetrics-text;version=1.0.0;q=much", TEXT),
    ("text/plain;version=1.x", TEXT),
    ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", TEXT),
    ("application/json", TEXT),
    (",,;;=,q;=;", TEXT),
    ("\xff\xfe;version=\xb9", TEXT),
    ("", TEXT),
]


async def test_any_accept_gets_a_format(subtests: pytest.Subtests) -> None:
    """For any Accept header the response is 200 in a standard format."""
    for accept, expected in ACCEPTS:
        with subtests.test(accept=accept, expected=expected):
            async with port() as served, httpx2.AsyncClient(base_url=served.url) as client:
                response = await client.get(
                    "/metrics", headers=[(b"accept", accept.encode("latin-1"))]
                )
            assert response.status_code == httpx2.codes.OK
            assert response.headers["content-type"] == expected
            assert response.text.endswith("# EOF\n") is (expected == OPENMETRICS)


ENCODINGS = [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False)]


async def test_a_scraper_gets_gzip_if_it_asks(subtests: pytest.Subtests) -> None:
    """A gzip response has the same text as a plain one and declares its encoding."""
    for encoding, compressed in ENCODINGS:
        with subtests.test(encoding=encoding, compressed=compressed):
            async with port() as served, httpx2.AsyncClient(base_url=served.url) as client:
                request = client.build_request(
                    "GET", "/metrics", headers={"accept-encoding": encoding}
                )
                response = await client.send(request, stream=True)
                body = b"".join([part async for part in response.aiter_raw()])
                assert ("content-encoding" in response.headers) is compressed
                assert b'gated{filling="x"} 1.0' in (gzip.decompress(body) if compressed else body)


async def test_only_what_is_there_is_found() -> None:
    """Unknown paths get 404, other methods 405, bodies 413; HEAD is GET without the body."""
    async with port() as served, httpx2.AsyncClient(base_url=served.url) as client:
        for path in ("/", "/metrics/", "/metricsx", "/favicon.ico", "/..%2fmetrics", "//metrics"):
            assert (await client.get(path)).status_code == httpx2.codes.NOT_FOUND, path
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            response = await client.request(method, "/metrics")
            assert response.status_code == httpx2.codes.METHOD_NOT_ALLOWED, method
            assert response.headers["allow"] == "GET, HEAD"
        refused = await client.request("GET", "/metrics", content=b"x" * 100_000)
        assert refused.status_code == httpx2.codes.CONTENT_TOO_LARGE
        head = await client.head("/metrics", headers={"accept-encoding": "identity"})
        assert (head.status_code, head.content) == (httpx2.codes.OK, b"")
        assert int(head.headers["content-length"]) > 0
        named = await client.get("/metrics?name[]=no_such_name")
        assert (named.status_code, named.text) == (httpx2.codes.OK, "")


async def test_a_header_has_its_size() -> None:
    """A header that is too long gets a 400, and so do too many headers."""
    async with port() as served:
        for headers in (b"A: " + b"x" * 10_000, b"\r\n".join(b"A%d: x" % n for n in range(100))):
            peer = await served.open(GET[:-2] + headers + b"\r\n\r\n")
            assert b" 400 Bad Request\r\n" in await peer.everything()


async def test_old_and_hasty_scrapers_are_answered() -> None:
    """HTTP/1.0 requests and clients that half-close after their request are answered."""
    async with port() as served:
        for request in (b"GET /metrics HTTP/1.0\r\n\r\n", GET):
            peer = await served.open(request)
            peer.writer.write_eof()
            answer = await peer.everything()
            assert b" 200 OK\r\n" in answer
            assert b"gated" in answer
        cut = await served.open(GET[:-2])
        cut.writer.write_eof()
        assert await cut.everything() == b""


async def test_a_connection_carries_one_request() -> None:
    """A connection is closed after its first response, so that none stays open between scrapes."""
    async with port() as served:
        answer = await (await served.open(GET * 3)).everything()
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close\r\n" in answer


async def test_a_bug_of_ours_is_a_500_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """If a collector fails, the response is a 500 without details, and the error is logged."""
    async with port() as served, httpx2.AsyncClient(base_url=served.url) as client:
        served.gate.size = -1
        with caplog.at_level(logging.ERROR):
            response = await client.get("/metrics")
        assert response.status_code == httpx2.codes.INTERNAL_SERVER_ERROR
        assert response.text == "Internal error. The log has the details.\n"
        assert [record.message for record in caplog.records] == ["metrics page failed"]
        served.gate.size = 1
        assert (await client.get("/metrics")).status_code == httpx2.codes.OK


async def test_health_is_that_of_the_event_loop(
    start_app: StartApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/healthz fails while the server's event loop is blocked, and /metrics still responds."""
    limits = Limits(stuck_seconds=0.5)
    monkeypatch.setattr("tokenwire.observability.metrics_server.server.LIMITS", limits)
    app = await start_app()
    url = f"http://{app.metrics_address}"
    async with httpx2.AsyncClient(base_url=url) as client:
        assert (await client.get("/healthz")).text == "ok\n"
    with ThreadPoolExecutor(1) as thread:
        # The event loop is blocked until the thread has its responses.
        metrics = thread.submit(_once_unhealthy, url).result(SECONDS)
    assert metrics == httpx2.codes.OK
    async with httpx2.AsyncClient(base_url=url) as client:
        assert (await client.get("/healthz")).text == "ok\n"


def _serve(address: str) -> MetricsServer:
    registry = CollectorRegistry()
    return MetricsServer(address, registry, PortMetrics(registry))


def _once_unhealthy(url: str) -> int:
    """Wait until /healthz returns 503, then return the status of /metrics."""
    with httpx2.Client(base_url=url, timeout=SECONDS) as client:
        while client.get("/healthz").status_code != httpx2.codes.SERVICE_UNAVAILABLE:
            pass
        return client.get("/metrics").status_code


@pytest.mark.parametrize("address", ["[::1]:0", "localhost:0", "[::]:0"])
async def test_it_listens_where_it_is_told(address: str) -> None:
    """IPv6 addresses and host names are accepted; the IPv6 wildcard address accepts IPv4 too."""
    served = _serve(address)
    host, _, number = served.address.rpartition(":")
    assert host == address.rpartition(":")[0]
    target = "127.0.0.1" if host == "[::]" else host
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"http://{target}:{number}/healthz")
    assert response.status_code == httpx2.codes.OK
    await asyncio.to_thread(served.stop)


async def test_stopping_closes_connections_that_it_has_just_accepted(
    subtests: pytest.Subtests,
) -> None:
    """A connection that asyncio has not reported yet is closed too."""
    for iterations in range(4):
        with subtests.test(iterations=iterations):
            served = _serve("127.0.0.1:0")
            await _connect(served, close_after=iterations)


async def _connect(served: MetricsServer, close_after: int) -> None:
    """Connect while the server's loop is blocked, and stop it after `close_after` iterations."""
    host, _, number = served.address.rpartition(":")
    held = threading.Event()

    def stop(iterations: int) -> None:
        if iterations:
            served._loop.call_soon(stop, iterations - 1)
        else:
            served._stopping.set()

    async with httpx2.AsyncClient() as client:
        await client.get(f"http://{served.address}/healthz")
    served._loop.call_soon_threadsafe(held.wait)
    with socket.create_connection((host, int(number))) as peer:
        served._loop.call_soon_threadsafe(stop, close_after)
        held.set()
        await asyncio.to_thread(served.stop)
        peer.settimeout(SECONDS)
        with suppress(ConnectionResetError):
            assert peer.recv(1) == b""


async def test_a_bad_address_is_an_os_error() -> None:
    """An address that is in use, not local or not resolvable raises OSError."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for address in (f"127.0.0.1:{taken.getsockname()[1]}", "192.0.2.1:0", "a..b:0"):
            with pytest.raises(OSError, match=r"."):
                _serve(address)
