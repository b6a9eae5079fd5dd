"""The real grpc-health-probe against a server with TLS, with its documented flags."""

import datetime as dt
from pathlib import Path

import pytest
import trustme

from support.app import StartApp
from support.certificates import Mount, Pair, answer_of, caller
from support.programs import Outcome, run
from tokenwire_client import ChatError

pytestmark = pytest.mark.tools


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


async def probe(tools: Path, address: str, *flags: str) -> Outcome:
    limits = ("-connect-timeout", "10s", "-rpc-timeout", "10s")
    return await run(tools / "grpc-health-probe", f"-addr={address}", *limits, *flags)


async def test_a_trusted_certificate_is_serving(
    tools: Path, start_app: StartApp, mount: Mount
) -> None:
    """The probe exits with code 0 if it trusts the authority and the name matches."""
    pair = Pair(name="tokenwire.llm.svc")
    settings = mount.put(pair, pair.authority).settings | {"tls_client_ca_file": None}
    app = await start_app(**settings)
    flags = ("-tls", f"-tls-ca-cert={mount['ca.crt']}")
    named = await probe(tools, app.address, *flags, "-tls-server-name=tokenwire.llm.svc")
    assert named.code == 0, named.stderr
    assert (await probe(tools, app.address, *flags)).code == 2


async def test_plaintext_does_not_connect(tools: Path, start_app: StartApp, mount: Mount) -> None:
    """Without -tls the probe cannot connect and exits with code 2, like the kubelet's probe."""
    app = await start_app(**mount.put(Pair()).settings)
    assert (await probe(tools, app.address, "-connect-timeout=1s")).code == 2


async def test_the_probe_shows_a_certificate(
    tools: Path, start_app: StartApp, mount: Mount
) -> None:
    """With mTLS the probe needs a client certificate, even if it does not verify the server's."""
    callers = trustme.CA()
    app = await start_app(**mount.put(Pair(callers), callers.cert_pem.bytes()).settings)
    flags = ("-tls", "-tls-no-verify")
    shown = (f"-tls-client-cert={mount['tls.crt']}", f"-tls-client-key={mount['tls.key']}")
    done = await probe(tools, app.address, *flags, *shown)
    assert done.code == 0, done.stderr
    assert (await probe(tools, app.address, *flags, "-connect-timeout=1s")).code == 2


async def test_an_expired_certificate_ends_no_pod(
    tools: Path, start_app: StartApp, mount: Mount
) -> None:
    """The flags of the chart's probes succeed even with an expired server certificate."""
    pair = Pair(not_after=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    app = await start_app(**mount.put(pair).settings)
    with pytest.raises(ChatError):
        await answer_of(caller(app.address, pair.authority))
    done = await probe(tools, app.address, "-tls", "-tls-no-verify")
    assert done.code == 0, done.stderr
