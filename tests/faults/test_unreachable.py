"""Rows 1 and 2: the upstream cannot be reached, or disconnects before it responds."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.clients import ATTEMPTS, attempts
from support.helpers import text_of
from support.listening import listening
from support.world import CANARY, World, open_world, save_up
from tokenwire_demo import DemoUpstream

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
REASON = "UPSTREAM_UNREACHABLE"
TLS = Path(__file__).parents[1] / "tls"


@pytest.fixture
def port() -> Iterator[int]:
    """A port that refuses connections and that no other program can take."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def empty_the_pool(world: World) -> None:
    """Empty the connection pool, because row 50 applies to reused connections."""
    await world.succeeds("tokens 1; finish; close")


async def is_unreachable(world: World) -> None:
    """Check that a call fails and that no request was sent."""
    answers, _ = await world.fails("answer", UNAVAILABLE, REASON)
    assert answers == []
    assert world.upstream.connections == []


async def test_row_1_refused(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """A refused connection is UPSTREAM_UNREACHABLE."""
    base_url = f"http://127.0.0.1:{port}/{CANARY}-host/v1"
    async with open_world(monkeypatch, base_url=base_url) as world:
        await is_unreachable(world)


async def test_row_1_refused_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """A proxy that cannot be reached is UPSTREAM_UNREACHABLE, and is not bypassed."""
    async with open_world(monkeypatch, proxy=f"http://127.0.0.1:{port}") as world:
        await is_unreachable(world)


@pytest.mark.parametrize("host", [f"{CANARY}-host.invalid", f"{CANARY}{'x' * 70}.invalid"])
async def test_row_1_no_such_name(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A name that cannot be resolved is UPSTREAM_UNREACHABLE, and is not disclosed."""
    async with open_world(monkeypatch, base_url=f"http://{host}/v1") as world:
        await is_unreachable(world)


async def test_row_1_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer is UPSTREAM_UNREACHABLE after the connect timeout."""
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The kernel queues one connection and lets the next ones wait forever.
        first.connect(full.getsockname())
        base_url = f"http://127.0.0.1:{full.getsockname()[1]}/{CANARY}-host/v1"
        overrides = {"base_url": base_url, "connect_timeout_seconds": 0.2}
        async with open_world(monkeypatch, **overrides) as world:
            await is_unreachable(world)


async def test_row_1_tls_with_a_plaintext_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS to a server without TLS fails before any of the request is sent."""
    async with DemoUpstream() as plain:
        base_url = plain.base_url.replace("http:", "https:").replace("/v1", f"/{CANARY}-host/v1")
        async with open_world(monkeypatch, base_url=base_url) as world:
            await is_unreachable(world)
        assert plain.connections
        assert plain.requests_seen == 0


async def test_row_1_tls_with_an_untrusted_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate fails the call before any of the request is sent."""
    trusting: list[asyncio.StreamReader] = []

    async def after_handshake(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        trusting.append(reader)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    async with listening(after_handshake, ssl=context) as (host, port):
        base_url = f"https://{host}:{port}/{CANARY}-host/v1"
        async with open_world(monkeypatch, base_url=base_url) as world:
            await is_unreachable(world)
    assert trusting == []


@pytest.mark.parametrize("ending", ["reset", "close", "garbage"])
async def test_row_2_before_headers(world: World, ending: str) -> None:
    """An upstream that disconnects before its headers is UPSTREAM_UNREACHABLE."""
    await empty_the_pool(world)
    before = world.upstream.requests_seen
    answers, _ = await world.fails(ending, UNAVAILABLE, REASON)
    assert answers == []
    assert world.upstream.requests_seen == before + 1  # no budget, so no retry


@pytest.mark.parametrize("ending", ["reset", "close"])
async def test_row_2_is_repeated(saved_up: World, ending: str) -> None:
    """If the budget allows it, one retry hides a broken connection from the caller."""
    await empty_the_pool(saved_up)
    before = saved_up.upstream.requests_seen
    saved_up.upstream.script(ending)
    answers = await saved_up.succeeds("text cured; answer")
    assert text_of(answers).startswith("cured")
    assert saved_up.upstream.requests_seen == before + 2


async def test_row_2_is_repeated_once(saved_up: World) -> None:
    """A call is retried only once."""
    await empty_the_pool(saved_up)
    before = saved_up.upstream.requests_seen
    await saved_up.fails("reset", UNAVAILABLE, REASON)
    assert saved_up.upstream.requests_seen == before + 2


async def test_row_2_leaves_no_headers(world: World) -> None:
    """The failure is Trailers-Only, so the caller's own retry policy applies."""
    await empty_the_pool(world)
    assert await attempts(world, "reset", UNAVAILABLE) == ATTEMPTS


@pytest.mark.parametrize("at_once", [1, 25])
async def test_row_2_an_outage_is_not_amplified(world: World, at_once: int) -> None:
    """A hundred calls during an outage cause at most ten additional requests."""
    await empty_the_pool(world)
    calls = 100
    before = world.upstream.requests_seen
    world.upstream.script(*["reset"] * 2 * calls)
    for _ in range(calls // at_once):
        ended = await asyncio.gather(*[world.ended(world.send()) for _ in range(at_once)])
        assert {error.code() if error else None for _, error in ended} == {UNAVAILABLE}
    await world.check(UNAVAILABLE, REASON, calls=calls)
    requests = world.upstream.requests_seen - before
    assert calls < requests <= calls + calls // 10


async def test_row_2_saved_budget_does_not_amplify_either(saved_up: World) -> None:
    """A saved retry budget is spent once; after that, retries add at most a tenth."""
    for _ in range(2):
        await save_up(saved_up)
    await empty_the_pool(saved_up)
    before = saved_up.upstream.requests_seen
    saved_up.upstream.script(*["reset"] * 40)
    for _ in range(9):
        await saved_up.ended(saved_up.send())
    await saved_up.check(UNAVAILABLE, REASON, calls=9)
    # The 31 calls and the warm-up paid for three retries, and the 9 calls for the fourth.
    assert saved_up.upstream.requests_seen - before == 9 + 4
