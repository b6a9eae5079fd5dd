"""TLS on the gRPC port: which callers can connect."""

from pathlib import Path

import grpc
import pytest
import trustme

from support.app import StartApp
from support.certificates import Mount, Pair, answer_of, caller
from support.helpers import sample, scrape
from tokenwire_client import ChatError

ANSWER = "This is tokenwire's built-in demo model"


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


async def refusal(address: str, authority: bytes | None, shown: Pair | None = None) -> str:
    """Return the error of a caller whose connection the server must reject."""
    with pytest.raises(ChatError) as caught:
        await answer_of(caller(address, authority, shown))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    return str(caught.value)


async def test_an_answer_streams_over_tls(start_app: StartApp, mount: Mount) -> None:
    """A caller that trusts the server's authority gets its health and a whole answer."""
    pair = Pair()
    app = await start_app(**mount.put(pair).settings)
    async with caller(app.address, pair.authority) as client:
        assert await client.check(timeout=30)
    text = await answer_of(caller(app.address, pair.authority))
    assert text.startswith(ANSWER)


async def test_who_trusts_another_authority_does_not_call(
    start_app: StartApp, mount: Mount
) -> None:
    """A caller that trusts a different authority does not connect."""
    app = await start_app(**mount.put(Pair()).settings)
    await refusal(app.address, Pair().authority)


async def test_a_plaintext_call_gets_nothing(start_app: StartApp, mount: Mount) -> None:
    """A port with TLS accepts no plaintext connections, and no call is started."""
    app = await start_app(**mount.put(Pair()).settings)
    await refusal(app.address, None)
    labels = {"grpc_service": "openai.Chatgpt", "grpc_method": "Send"}
    metrics = await scrape(app)
    assert sample(metrics, "grpc_server_started_total", grpc_type="server_stream", **labels) == 0


async def test_metrics_stay_plain_http(start_app: StartApp, mount: Mount) -> None:
    """Prometheus scrapes over plain HTTP, even if the gRPC port uses TLS."""
    app = await start_app(**mount.put(Pair()).settings)
    assert "tokenwire_streams_in_flight 0.0" in await scrape(app)


async def test_callers_must_show_a_certificate(start_app: StartApp, mount: Mount) -> None:
    """With a client authority, callers without one of its certificates cannot connect."""
    server, callers = Pair(), trustme.CA()
    app = await start_app(**mount.put(server, callers.cert_pem.bytes()).settings)
    await refusal(app.address, server.authority)
    await refusal(app.address, server.authority, shown=Pair())
    known = caller(app.address, server.authority, shown=Pair(callers, "a-service"))
    assert (await answer_of(known)).startswith(ANSWER)


async def test_health_needs_a_certificate_too(start_app: StartApp, mount: Mount) -> None:
    """A health check without a certificate fails, since the connection itself is rejected."""
    server, callers = Pair(), trustme.CA()
    app = await start_app(**mount.put(server, callers.cert_pem.bytes()).settings)
    async with caller(app.address, server.authority) as stranger:
        with pytest.raises(ChatError):
            await stranger.check(timeout=30)
    async with caller(app.address, server.authority, shown=Pair(callers)) as known:
        assert await known.check(timeout=30)


async def test_the_certificate_itself_may_be_trusted(start_app: StartApp, mount: Mount) -> None:
    """A caller can trust the server's certificate directly, without its authority."""
    pair = Pair()
    app = await start_app(**mount.put(pair).settings)
    assert (await answer_of(caller(app.address, pair.certificate))).startswith(ANSWER)
    await refusal(app.address, Pair().certificate)
