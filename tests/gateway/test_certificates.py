"""Callers that are known by their client certificates."""

import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.x509 import (
    DNSName,
    GeneralName,
    IPAddress,
    RFC822Name,
    UniformResourceIdentifier,
)

from support.app import Stub
from support.certificates import ClientCertificate, Mount, Pair, client_certificate
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import reason_of
from support.unary import error_of
from tokenwire.cli.keys import hash_of
from tokenwire.config import SettingsError
from tokenwire.config.gateway import load_gateway
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

KEY = "tw_batch_canary"
BEARER = (("authorization", f"Bearer {KEY}"),)
MODELS: dict[str, Any] = {"smart": {"routes": "one/b"}, "fast": {"routes": "one/a"}}
CALLERS: dict[str, Any] = {
    "team": {"certificates": ["spiffe://cluster.local/ns/team-a/sa/*"]},
    "front": {"certificates": ["spiffe://cluster.local/ns/web/sa/front", "*.Front.example.com"]},
    "any-web": {"certificates": ["spiffe://cluster.local/ns/web/sa/*", "a.example.com"]},
    "batch": {"keys": [hash_of(KEY)], "models": ["fast"]},
}
TEAM = "spiffe://cluster.local/ns/team-a/sa/job"
FRONT = "spiffe://cluster.local/ns/web/sa/front"


def uri(name: str) -> GeneralName:
    """Return a URI of a certificate."""
    return UniformResourceIdentifier(name)


def dns(name: str) -> GeneralName:
    """Return a DNS name of a certificate."""
    return DNSName(name)


ACCEPTED: dict[str, tuple[str, list[GeneralName]]] = {
    "a pattern": ("team", [uri(TEAM)]),
    "a pattern beside a DNS name": ("team", [dns("x.example.com"), uri(TEAM)]),
    "the first caller of several": ("front", [uri(FRONT)]),
    "the second caller": ("any-web", [uri(FRONT + "-2")]),
    "a DNS name": ("front", [dns("a.front.example.com")]),
    "in any case": ("front", [dns("A.FRONT.example.COM")]),
    "one of several DNS names": ("any-web", [dns("b.example.com"), dns("a.example.com")]),
    "DNS names of two callers": ("front", [dns("a.example.com"), dns("b.front.example.com")]),
    "names of two callers": ("team", [dns("a.example.com"), uri(TEAM)]),
}
REFUSED: dict[str, list[GeneralName]] = {
    "no name": [],
    "a DNS name that looks like a URI": [dns(TEAM)],
    "a URI that looks like a DNS name": [uri("a.front.example.com")],
    "an e-mail address": [RFC822Name("a@a.example.com")],
    "an address": [IPAddress(ipaddress.ip_address("127.0.0.1"))],
    "two SPIFFE IDs": [uri(TEAM), uri("spiffe://cluster.local/ns/other/sa/x")],
    "two SPIFFE IDs of callers": [uri(TEAM), uri(FRONT)],
    "another trust domain": [uri("spiffe://cluster.locale/ns/team-a/sa/job")],
    "a part of the trust domain": [uri("spiffe://cluster/local/ns/team-a/sa/job")],
    "another namespace": [uri("spiffe://cluster.local/ns/team-b/sa/job")],
    "a longer path": [uri(f"{TEAM}/more")],
    "a shorter path": [uri("spiffe://cluster.local/ns/team-a/sa/")],
    "dots": [uri("spiffe://cluster.local/ns/team-a/sa/x/../../../web/sa/front")],
    "before it": [uri(f"x{TEAM}")],
    "within another": [uri(f"https://example.com/{TEAM}")],
    "in upper case": [uri(TEAM.upper())],
    "white space": [uri(f"{TEAM} ")],
    "a line feed": [uri(f"{FRONT}\n")],
    "a null character": [uri(f"{FRONT}\0")],
    "a null character in a DNS name": [dns("a.example.com\0.example.org")],
    "the pattern": [dns("*.front.example.com")],
    "two labels for one": [dns("a.b.front.example.com")],
    "no label": [dns("front.example.com")],
    "a longer DNS name": [dns("a.front.example.com.example.org")],
    "a final dot": [dns("a.example.com.")],
    "too long": [uri("spiffe://cluster.local/ns/team-a/sa/" + "x" * 2_048)],
}


class MutualWorld:
    """A server that asks for certificates.

    Attributes:
        world: The server.
        authority: The authority of the callers.
    """

    def __init__(self, world: GatewayWorld, server: Pair, authority: trustme.CA) -> None:
        self.world = world
        self.authority = authority
        self._server = server

    @asynccontextmanager
    async def stub(self, shown: ClientCertificate) -> AsyncIterator[Stub]:
        """Return a client with a connection of its own."""
        credentials = grpc.ssl_channel_credentials(
            self._server.authority, shown.key, shown.certificate
        )
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(
            self.world.app.address, credentials, options=options
        ) as channel:
            yield chatgpt_pb2_grpc.ChatgptStub(channel)

    async def refusal(self, shown: ClientCertificate, metadata: Any = ()) -> str:
        """Return the reason for which a call is refused."""
        async with self.stub(shown) as stub:
            return reason_of(await error_of(stub.Ask(HELLO, metadata=metadata)))


@pytest.fixture
async def mutual(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[MutualWorld]:
    """A server with callers that have certificates."""
    caplog.set_level(logging.INFO, "tokenwire.call")
    server, authority = Pair(), trustme.CA()
    (tmp_path / "tls").mkdir()
    files = Mount(tmp_path / "tls").put(server, authority.cert_pem.bytes())
    settings: dict[str, Any] = {**files.settings}
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=CALLERS, **settings) as world:
        yield MutualWorld(world, server, authority)


def callers_of(caplog: pytest.LogCaptureFixture) -> list[str | None]:
    """Return the callers of all calls that have ended."""
    return [
        getattr(record, "caller", None)
        for record in caplog.records
        if record.message == "call ended"
    ]


async def test_a_certificate_opens(
    mutual: MutualWorld, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    """A name in the certificate is that of the first caller in the file that it matches."""
    for title, (caller, names) in ACCEPTED.items():
        with subtests.test(title):
            async with mutual.stub(client_certificate(mutual.authority, *names)) as stub:
                assert (await stub.Ask(HELLO)).content
            assert callers_of(caplog)[-1] == caller


async def test_other_names_do_not_open(mutual: MutualWorld, subtests: pytest.Subtests) -> None:
    """Names that only look like those of a caller are refused, and no upstream is asked."""
    for title, names in REFUSED.items():
        with subtests.test(title):
            shown = client_certificate(mutual.authority, *names)
            assert await mutual.refusal(shown) == "CREDENTIALS_INVALID"
    assert mutual.world.seen() == {"one": 0}


async def test_the_common_name_does_not_count(mutual: MutualWorld) -> None:
    """A subject that is called like a caller, or like its pattern, is nobody."""
    for name in ("team", "a.example.com", TEAM):
        shown = client_certificate(mutual.authority, dns("x.example.com"), common_name=name)
        assert await mutual.refusal(shown) == "CREDENTIALS_INVALID"
        alone = client_certificate(mutual.authority, common_name=name)
        assert await mutual.refusal(alone) == "CREDENTIALS_INVALID"


async def test_another_authority_does_not_count(mutual: MutualWorld) -> None:
    """A certificate of another authority does not even connect, whatever its names."""
    stranger = client_certificate(trustme.CA(), uri(TEAM))
    async with mutual.stub(stranger) as stub:
        error = await error_of(stub.Ask(HELLO, metadata=BEARER))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert mutual.world.seen() == {"one": 0}


async def test_a_key_counts_more(mutual: MutualWorld, caplog: pytest.LogCaptureFixture) -> None:
    """With a key, right or wrong, the certificate does not matter."""
    shown = client_certificate(mutual.authority, uri(TEAM))
    async with mutual.stub(shown) as stub:
        assert (await stub.Ask(HELLO, metadata=BEARER)).model == "a"
        assert (await stub.Ask(HELLO)).model == "b"
    assert callers_of(caplog) == ["batch", "team"]
    wrong = (("authorization", "Bearer wrong"),)
    assert await mutual.refusal(shown, wrong) == "CREDENTIALS_INVALID"
    nobody = client_certificate(mutual.authority)
    async with mutual.stub(nobody) as stub:
        assert (await stub.Ask(HELLO, metadata=BEARER)).content


async def test_without_certificates_in_the_file_a_key_is_missing(mutual: MutualWorld) -> None:
    """If callers have only keys, a call without one has no credentials; a reload adds others."""
    shown = client_certificate(mutual.authority, uri(TEAM))
    mutual.world.write(MODELS, {"one": {}}, {"batch": CALLERS["batch"]})
    await mutual.world.reloaded()
    assert await mutual.refusal(shown) == "CREDENTIALS_MISSING"
    mutual.world.write(MODELS, {"one": {}}, CALLERS)
    await mutual.world.reloaded()
    async with mutual.stub(shown) as stub:
        assert (await stub.Ask(HELLO)).content


async def test_models_of_a_caller_with_a_certificate(mutual: MutualWorld) -> None:
    """A caller with a certificate is limited like one with a key."""
    callers = {"team": CALLERS["team"] | {"models": ["fast"]}}
    mutual.world.write(MODELS, {"one": {}}, callers)
    await mutual.world.reloaded()
    smart = pb.Message(content="hello", params=pb.Params(model="smart"))
    async with mutual.stub(client_certificate(mutual.authority, uri(TEAM))) as stub:
        assert reason_of(await error_of(stub.Ask(smart))) == "MODEL_NOT_ALLOWED"
        assert (await stub.Ask(HELLO)).model == "a"


async def test_certificates_need_an_authority(tmp_path: Path) -> None:
    """Without a client authority, `certificates` are a mistake, at the start and on a reload."""
    problem = "callers.team.certificates: has no effect, because the server asks for no"
    with pytest.raises(SettingsError) as caught:
        async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=CALLERS):
            pass
    assert f"{tmp_path / 'gateway.yaml'}:1: {problem}" in caught.value.problems[-1]
    keys = {"batch": CALLERS["batch"]}
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=keys) as world:
        world.write(MODELS, {"one": {}}, CALLERS)
        record = await world.reloaded()
        assert problem in str(record.__dict__["problems"])
        assert (await world.stub.Ask(HELLO, metadata=BEARER)).content


MISTAKES = {
    "a: {}": "callers.a: must have `keys`, `tokens` or `certificates`",
    "a: {models: [fast]}": "callers.a: must have `keys`, `tokens` or `certificates`",
    "a: {certificates: []}": "callers.a.certificates: must have at least 1 entries",
    "a: {certificates: ['*']}": "callers.a.certificates[0]=*: must be a URI such as spiffe://",
    "a: {certificates: ['*.*']}": "must be a URI",
    "a: {certificates: ['a.*']}": "must be a URI",
    "a: {certificates: ['a**.b']}": "with one * at most",
    "a: {certificates: ['spiffe://*/a']}": "must be a URI",
    "a: {certificates: ['spiffe://a.*/a']}": "must be a URI",
    "a: {certificates: ['spiffe://a/*x*']}": "with one * at most",
    "a: {certificates: ['spiffe://a/b c']}": "must be a URI",
    "a: {certificates: ['CN=a']}": "must be a URI",
    "a: {certificates: [1]}": "must be a URI",
    "a: {certificates: [b.c, b.c]}": "[1]: is the same as callers.a.certificates[0]",
    "a: {certificate: [b.c]}": "callers.a.certificate: unknown key; did you mean certificates?",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_with_certificates_are_told(text: str, tmp_path: Path) -> None:
    """Each mistake has a line with its place."""
    path = tmp_path / "gateway.yaml"
    file = "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}\nmodels: {fast: {routes: one/a}}\n"
    path.write_text(f"{file}callers:\n  {text}\n")
    with pytest.raises(SettingsError) as caught:
        load_gateway(path)
    [problem] = caught.value.problems
    assert problem.startswith(f"{path}:4: callers.a")
    assert MISTAKES[text] in problem
