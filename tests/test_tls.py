"""TLS of the gRPC port: who gets an answer, and who does not."""

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
    """Return what a caller is told whose connection the server must not take."""
    with pytest.raises(ChatError) as caught:
        await answer_of(caller(address, authority, shown))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    return str(caught.value)


async def test_an_answer_streams_over_tls(start_app: StartApp, mount: Mount) -> None:
    """A caller who trusts the server's authority gets health and a whole answer."""
    pair = Pair()
    app = await start_app(**mount.put(pair).settings)
    async with caller(app.address, pair.authority) as client:
        assert await client.check(timeout=30)
    text = await answer_of(caller(app.address, pair.authority))
    assert text.startswith(ANSWER)


async def test_who_trusts_another_authority_does_not_call(
    start_app: StartApp, mount: Mount
) -> None:
    """A caller finds out that the server's certificate is from somebody else."""
    app = await start_app(**mount.put(Pair()).settings)
    await refusal(app.address, Pair().authority)


async def test_a_plaintext_call_gets_nothing(start_app: StartApp, mount: Mount) -> None:
    """The port takes no plaintext once it speaks TLS, and no call is started."""
    app = await start_app(**mount.put(Pair()).settings)
    await refusal(app.address, None)
    labels = {"grpc_service": "openai.Chatgpt", "grpc_method": "Send"}
    metrics = await scrape(app)
    assert sample(metrics, "grpc_server_started_total", grpc_type="server_stream", **labels) == 0


async def test_metrics_stay_plain_http(start_app: StartApp, mount: Mount) -> None:
    """Prometheus scrapes without TLS, whatever the gRPC port speaks."""
    app = await start_app(**mount.put(Pair()).settings)
    assert "tokenwire_streams_in_flight 0.0" in await scrape(app)


async def test_callers_must_show_a_certificate(start_app: StartApp, mount: Mount) -> None:
    """With an authority of callers, who shows no certificate, or another's, gets nothing."""
    server, callers = Pair(), trustme.CA()
    app = await start_app(**mount.put(server, callers.cert_pem.bytes()).settings)
    await refusal(app.address, server.authority)
    await refusal(app.address, server.authority, shown=Pair())
    known = caller(app.address, server.authority, shown=Pair(callers, "a-service"))
    assert (await answer_of(known)).startswith(ANSWER)


async def test_health_needs_a_certificate_too(start_app: StartApp, mount: Mount) -> None:
    """The connection itself is refused, so a health check without a certificate fails as well."""
    server, callers = Pair(), trustme.CA()
    app = await start_app(**mount.put(server, callers.cert_pem.bytes()).settings)
    async with caller(app.address, server.authority) as stranger:
        with pytest.raises(ChatError):
            await stranger.check(timeout=30)
    async with caller(app.address, server.authority, shown=Pair(callers)) as known:
        assert await known.check(timeout=30)


async def test_the_certificate_itself_may_be_trusted(start_app: StartApp, mount: Mount) -> None:
    """A caller who has only the server's certificate, and no authority, can trust just that."""
    pair = Pair()
    app = await start_app(**mount.put(pair).settings)
    assert (await answer_of(caller(app.address, pair.certificate))).startswith(ANSWER)
    await refusal(app.address, Pair().certificate)
