"""The metrics of TLS: certificates, replaced files and handshakes."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry, generate_latest

from support.app import StartApp, Stub
from support.certificates import HOST, Mount, Pair, answer_of, caller
from support.exposed import read
from support.helpers import collect, sample, scrape
from tokenwire.app import App
from tokenwire.observability.metrics.tls import KNOWN_PEERS, TlsMetrics
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_client import ChatError

NOT_AFTER = "tokenwire_tls_certificate_not_after_timestamp_seconds"
NOT_BEFORE = "tokenwire_tls_certificate_not_before_timestamp_seconds"
USABLE = "tokenwire_tls_files_usable"
RELOADS = "tokenwire_tls_reloads_total"
LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
LATER = dt.datetime(2071, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
LATEST = dt.datetime(2091, 1, 1, tzinfo=dt.UTC)


class Issued:
    """A certificate with chosen dates.

    Args:
        name: The name of its subject.
        not_after: The time at which it expires.
        by: The certificate that signs it; by default it is self-signed.
        authority: Whether it may sign other certificates.
    """

    def __init__(
        self, name: str, not_after: dt.datetime, by: "Issued | None" = None, *, authority: bool
    ) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = by or self
        built = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(signer._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(signer._key, hashes.SHA256())
        )
        self.certificate = built.public_bytes(serialization.Encoding.PEM)
        self.key = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


async def expiry(app: App, use: str = "server") -> float:
    return (await read(app)).value(NOT_AFTER, certificate=use)


async def told(app: App) -> tuple[float, float, float]:
    """Return whether the files are usable, and the numbers of successful and failed reloads."""
    metrics = await read(app)
    reloads = [metrics.value(RELOADS, result=result) for result in ("ok", "error")]
    return metrics.value(USABLE), reloads[0], reloads[1]


@pytest.mark.parametrize("not_after", [LONG_AGO, LATER])
async def test_the_expiry_is_the_certificates(
    start_app: StartApp, mount: Mount, not_after: dt.datetime
) -> None:
    """From the start, the metrics report the validity of the certificates to the second."""
    pair = Pair(not_after=not_after)
    app = await start_app(**mount.put(pair, pair.authority).settings)
    assert await expiry(app) == not_after.timestamp()
    assert await expiry(app, "client_ca") > LATEST.timestamp()
    not_before = (await read(app)).value(NOT_BEFORE, certificate="server")
    assert not_before == dt.datetime(2000, 1, 1, tzinfo=dt.UTC).timestamp()


async def test_the_first_to_expire_of_what_callers_need_counts(
    start_app: StartApp, mount: Mount
) -> None:
    """The earliest expiry in the chain is reported, without a root, which callers do not use."""
    root = Issued("root", LONG_AGO, authority=True)
    between = Issued("between", LATER, root, authority=True)
    leaf = Issued(HOST, LATEST, between, authority=False)
    chain = leaf.certificate + between.certificate + root.certificate
    mount.put_files({"tls.crt": chain, "tls.key": leaf.key})
    assert await expiry(await start_app(**mount.settings)) == LATER.timestamp()


async def test_a_certificate_that_signed_itself_counts(start_app: StartApp, mount: Mount) -> None:
    """The expiry of a self-signed server certificate is reported."""
    alone = Issued(HOST, LATER, authority=True)
    mount.put_files({"tls.crt": alone.certificate, "tls.key": alone.key})
    assert await expiry(await start_app(**mount.settings)) == LATER.timestamp()


async def test_the_last_authority_of_callers_counts(start_app: StartApp, mount: Mount) -> None:
    """The latest expiry of the client authorities is reported, since an old one may remain."""
    authorities = [Issued("old", LONG_AGO, authority=True), Issued("new", LATER, authority=True)]
    bundle = b"".join(each.certificate for each in authorities)
    app = await start_app(**mount.put(Pair(), bundle).settings)
    assert await expiry(app, "client_ca") == LATER.timestamp()


async def test_replaced_files_are_seen_without_a_connection(
    start_app: StartApp, mount: Mount
) -> None:
    """The metrics follow replaced files without a new connection, and so does the next call."""
    app = await start_app(**mount.put(Pair(not_after=LATER)).settings)
    new = Pair(not_after=LATEST)
    mount.put(new)
    assert await told(app) == (1, 1, 0)
    assert await expiry(app) == LATEST.timestamp()
    assert await answer_of(caller(app.address, new.authority))
    assert await told(app) == (1, 1, 0)


async def test_broken_files_are_seen_until_they_are_mended(
    start_app: StartApp, mount: Mount
) -> None:
    """Unusable files count as one failed reload, and are reported until they are replaced."""
    old, new = Pair(not_after=LATER), Pair(not_after=LATEST)
    app = await start_app(**mount.put(old).settings)
    assert await told(app) == (1, 0, 0)
    mount.put_files({"tls.crt": new.certificate, "tls.key": old.key})
    for _ in range(2):
        assert await told(app) == (0, 0, 1)
        assert await answer_of(caller(app.address, old.authority))
        assert await expiry(app) == LATER.timestamp()
    mount.put(new)
    assert await told(app) == (1, 1, 1)
    assert await expiry(app) == LATEST.timestamp()


async def test_handshakes_without_a_call_are_told(start_app: StartApp, mount: Mount) -> None:
    """Every accepted connection counts as a handshake, including those that fail before a call."""
    pair = Pair()
    app = await start_app(**mount.put(pair, pair.authority).settings)
    refused = [
        caller(app.address, pair.authority),  # has no certificate
        caller(app.address, Pair().authority, pair),  # does not trust the server
        caller(app.address, None),
    ]
    for each in refused:
        with pytest.raises(ChatError):
            await answer_of(each)
    metrics = await read(app)
    began = metrics.value("tokenwire_tls_handshakes_total")
    assert began >= len(refused)
    assert metrics.value("tokenwire_tls_connections_total") == 0
    async with caller(app.address, pair.authority, pair) as client:
        assert await client.check(timeout=30)
        for _ in range(2):
            await collect(client.send("hello", timeout=30))
    metrics = await read(app)
    assert metrics.value("tokenwire_tls_handshakes_total") == began + 1
    assert metrics.value("tokenwire_tls_connections_total") == 1


async def test_plaintext_has_no_metrics_of_tls(app: App, stub: Stub) -> None:
    """Without TLS there are no metrics of files or certificates."""
    await collect(stub.Send(pb.Message(content="hello")))
    assert "tokenwire_tls" not in await scrape(app)


def test_known_connections_are_bounded() -> None:
    """The number of remembered connections is bounded; recent ones are not counted twice."""
    registry = CollectorRegistry()
    metrics = TlsMetrics(registry)

    def counted() -> float | None:
        return sample(generate_latest(registry).decode(), "tokenwire_tls_connections_total")

    for port in range(KNOWN_PEERS + 1):
        metrics.note_call(f"ipv4:10.0.0.1:{port}")
        metrics.note_call("ipv4:10.0.0.2:1")
    assert counted() == KNOWN_PEERS + 2
    metrics.note_call(f"ipv4:10.0.0.1:{KNOWN_PEERS}")
    assert counted() == KNOWN_PEERS + 2
    metrics.note_call("ipv4:10.0.0.1:0")
    assert counted() == KNOWN_PEERS + 3
