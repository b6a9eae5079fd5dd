"""Issuers of tokens: how their keys are fetched, and what their failures are."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from aiohttp import web

from support.exposed import read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import reason_of, retry_delay_of
from support.issuer import DISCOVERY, KEYS, IssuerServer, new_key
from support.limits import bearer
from support.unary import ending_of, error_of
from tokenwire.access import issuer_keys, key_fetch
from tokenwire.cli.keys import hash_of

KEY: Final = "tw_team_canary1"
MODELS: dict[str, Any] = {"fast": {"routes": "one/a"}}
CALLERS: dict[str, Any] = {
    "jobs": {"tokens": [{"issuer": "cluster", "subject": "system:serviceaccount:jobs:*"}]},
    "team": {"keys": [hash_of(KEY)]},
}
UNAVAILABLE = ("UNAVAILABLE", "ISSUER_UNAVAILABLE")
INVALID = ("UNAUTHENTICATED", "CREDENTIALS_INVALID")


async def calls(world: GatewayWorld, token: str) -> bool:
    """Report whether a call with a token is answered."""
    return bool((await world.stub.Ask(HELLO, metadata=bearer(token))).content)


async def fetched(world: GatewayWorld, result: str, number: int = 1) -> None:
    """Wait until this many requests for keys have had a result."""
    name = "tokenwire_issuer_fetches_total"
    labels = {"issuer": "cluster", "result": result}
    while (await read(world.app)).value(name, **labels) < number:  # noqa: ASYNC110 - the metrics have to be polled
        await asyncio.sleep(0.01)


async def test_an_issuer_that_is_down_at_the_start(
    tmp_path: Path,
    issuer: IssuerServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server starts, its other callers call, and the tokens are accepted once it is up."""
    token = issuer.token()
    await issuer.down()
    with monkeypatch.context() as patched:
        async with gateway_world(
            tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": issuer.section()}
        ) as world:
            await fetched(world, "unreachable")
            error = await error_of(world.stub.Ask(HELLO, metadata=bearer(token)))
            assert (error.code().name, reason_of(error)) == UNAVAILABLE
            assert 1 <= (retry_delay_of(error) or 0) <= 30
            assert await calls(world, KEY)
            assert "cannot be fetched; its tokens are not accepted" in caplog.text
            exposed = await read(world.app)
            assert exposed.value("tokenwire_issuer_keys_timestamp_seconds", issuer="cluster") == 0.0
        patched.setattr(issuer_keys, "MIN_SECONDS", 0.01)
        async with gateway_world(
            tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": issuer.section()}
        ) as world:
            await fetched(world, "unreachable", 3)
            await issuer.up()
            await fetched(world, "ok")
            assert await calls(world, token)


async def test_an_issuer_that_is_down_later(
    tmp_path: Path, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its known keys are used on; of other keys it is not known whether they are right."""
    monkeypatch.setattr(issuer_keys, "MIN_SECONDS", 0.0)
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": issuer.section()}
    ) as world:
        assert await calls(world, issuer.token())
        await issuer.down()
        # The failed requests repeat themselves from here on.
        monkeypatch.setattr(issuer_keys, "MIN_SECONDS", 30.0)
        issuer.keys["second"] = new_key()
        new = bearer(issuer.token(key="second"))
        assert await ending_of(world.stub.Ask(HELLO, metadata=new)) == UNAVAILABLE
        assert await calls(world, issuer.token())
        assert (await read(world.app)).value(
            "tokenwire_issuer_fetches_total", issuer="cluster", result="unreachable"
        ) == 1


Answer = Callable[[], Awaitable[web.StreamResponse]]


def answering(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Return what answers with a response."""

    async def answer() -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answer


async def drip() -> web.StreamResponse:
    """Answer and never end."""
    await asyncio.Event().wait()
    raise AssertionError


WRONG: dict[str, tuple[str, Answer, str]] = {
    "an error": (KEYS, answering(500), "status"),
    "no discovery": (DISCOVERY, answering(404), "status"),
    "a redirect": (KEYS, answering(302, Location="/other"), "status"),
    "a redirect of discovery": (DISCOVERY, answering(308, Location="/other"), "status"),
    "huge keys": (KEYS, answering(200, b" " * (1 << 18) + b"{}"), "too_large"),
    "a huge document": (DISCOVERY, answering(200, b"[" * (1 << 19)), "too_large"),
    "deep keys": (KEYS, answering(200, b"[" * (1 << 17)), "invalid"),
    "no keys": (KEYS, answering(200, b'{"keys":[]}'), "invalid"),
    "HTML": (DISCOVERY, answering(200, b"<html>"), "invalid"),
    "compressed": (KEYS, answering(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"}), "invalid"),
    "endless": (KEYS, drip, "timeout"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_responses_of_no_use(
    name: str, tmp_path: Path, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is counted by its kind; no redirect is followed, and tokens are not accepted."""
    path, answer, result = WRONG[name]
    issuer.answers[path] = answer
    if result == "timeout":
        # Long enough for the request before it, on a busy machine.
        monkeypatch.setattr(key_fetch, "FETCH_SECONDS", 1.0)
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": issuer.section()}
    ) as world:
        await fetched(world, result)
        assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(issuer.token()))) == (
            UNAVAILABLE
        )
        assert issuer.requests == [DISCOVERY, KEYS][: 2 if path == KEYS else 1]


DOCUMENTS: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://other.example"},
    "no address": {"jwks_uri": None},
    "an address without TLS": {"jwks_uri": "http://192.0.2.1/keys"},
    "a file": {"jwks_uri": "file:///etc/passwd"},
    "no host": {"jwks_uri": "https://["},
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_discovery_of_no_use(name: str, tmp_path: Path, issuer: IssuerServer) -> None:
    """Keys are fetched only by the issuer's own document, and only by TLS or from this host."""
    issuer.document = DOCUMENTS[name]
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": issuer.section()}
    ) as world:
        await fetched(world, "invalid")
        assert issuer.requests == [DISCOVERY]


async def test_the_servers_token_stays_with_its_host(tmp_path: Path, issuer: IssuerServer) -> None:
    """The token of `token_file` is read at each request, and not sent to another host."""
    (tmp_path / "token").write_text("own-1\n")
    async with IssuerServer() as other:
        other.keys = issuer.keys
        issuer.document = {"jwks_uri": other.url + KEYS}
        sections = {"cluster": issuer.section(token_file="token")}
        async with gateway_world(
            tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers=sections
        ) as world:
            assert await calls(world, issuer.token())
            (tmp_path / "token").write_text("own-2\n")
            sections["cluster"]["jwks_url"] = issuer.url + KEYS
            world.write(MODELS, {"one": {}}, CALLERS, issuers=sections)
            await world.reloaded()
            assert await calls(world, issuer.token())
        assert other.authorizations == [""]
        assert issuer.authorizations == ["Bearer own-1", "Bearer own-2"]


async def test_a_cluster(tmp_path: Path) -> None:
    """With a pod's own token, its issuer and the API server's keys need no further setting."""
    authority = trustme.CA()
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with IssuerServer(tls) as api_server:
        claims = {"iss": "https://kubernetes.default.svc.cluster.local"}
        own = api_server.token(claims | {"aud": "https://kubernetes.default.svc"})
        (tmp_path / "token").write_text(own)
        section = {
            "audience": "tokenwire",
            "jwks_url": api_server.url + KEYS,
            "ca_file": "ca.crt",
            "token_file": "token",
        }
        async with gateway_world(
            tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": section}
        ) as world:
            assert await calls(world, api_server.token(claims))
            assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(own))) == INVALID
            assert api_server.authorizations == [f"Bearer {own}"]
            (tmp_path / "token").unlink()
        (tmp_path / "token").write_text(own)
        (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
        async with gateway_world(
            tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers={"cluster": section}
        ) as world:
            await fetched(world, "tls")


async def test_keys_in_a_file(tmp_path: Path) -> None:
    """Keys may be in a file, which is read again when it changes."""
    issuer = IssuerServer()
    issuer.url = "kubernetes/serviceaccount"
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(issuer.jwks()))
    sections = {"cluster": issuer.section(jwks_file="jwks.json")}
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers=sections
    ) as world:
        old = issuer.token()
        assert await calls(world, old)
        issuer.keys = {"second": new_key()}
        new = issuer.token(key="second")
        assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(new))) == INVALID
        path.write_text(json.dumps(issuer.jwks()))
        await world.reloaded()
        assert await calls(world, new)
        assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(old))) == INVALID
        assert not (await read(world.app)).total("tokenwire_issuer_fetches_total")


async def test_a_token_file_that_cannot_be_read_later(
    tmp_path: Path, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The issuer is not asked without the token that it needs."""
    monkeypatch.setattr(issuer_keys, "MIN_SECONDS", 0.0)
    (tmp_path / "token").write_text("own")
    sections = {"cluster": issuer.section(token_file="token")}
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers=sections
    ) as world:
        assert await calls(world, issuer.token())
        monkeypatch.setattr(issuer_keys, "MIN_SECONDS", 30.0)
        (tmp_path / "token").unlink()
        unknown = bearer(issuer.token(header={"kid": "other"}))
        assert await ending_of(world.stub.Ask(HELLO, metadata=unknown)) == UNAVAILABLE
        await fetched(world, "token_file")
        assert issuer.requests == [DISCOVERY, KEYS]
