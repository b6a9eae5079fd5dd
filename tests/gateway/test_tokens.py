"""Tokens: a caller is known by the token that its issuer has signed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.exposed import read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.issuer import DISCOVERY, KEYS, IssuerServer, new_key
from support.limits import bearer
from support.otlp import Collector
from support.unary import ending_of
from tokenwire.access import issuer_keys
from tokenwire.cli.keys import hash_of
from tokenwire.core.public_keys import ALGORITHMS

KEY = "tw_team_canary1"
MODELS: dict[str, Any] = {"fast": {"routes": "one/a"}, "smart": {"routes": "one/b"}}
CALLERS: dict[str, Any] = {
    "jobs": {
        "tokens": [{"issuer": "cluster", "subject": "system:serviceaccount:jobs:*"}],
        "models": ["smart"],
    },
    "team": {"keys": [hash_of(KEY)]},
}
INVALID, EXPIRED = (
    ("UNAUTHENTICATED", f"CREDENTIALS_{reason}") for reason in ("INVALID", "EXPIRED")
)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys be fetched again at once."""
    monkeypatch.setattr(issuer_keys, "MIN_SECONDS", 0.0)


@pytest.fixture
async def world(tmp_path: Path, issuer: IssuerServer) -> AsyncIterator[GatewayWorld]:
    """Start a server whose callers have tokens of the issuer, or a key."""
    issuers = {"cluster": issuer.section()}
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers=issuers
    ) as running:
        yield running


async def test_a_service_account_calls(world: GatewayWorld, issuer: IssuerServer) -> None:
    """A token like those of Kubernetes is accepted through discovery, and is fetched for once."""
    for _ in range(3):
        answer = await world.stub.Ask(HELLO, metadata=bearer(issuer.token()))
        assert answer.model == "b"
    assert issuer.requests == [DISCOVERY, KEYS]
    assert issuer.authorizations == ["", ""]
    exposed = await read(world.app)
    calls = exposed.value("tokenwire_caller_calls_total", caller="jobs", outcome="ok")
    fetches = exposed.value("tokenwire_issuer_fetches_total", issuer="cluster", result="ok")
    assert (calls, fetches) == (3, 1)
    fetched = exposed.value("tokenwire_issuer_keys_timestamp_seconds", issuer="cluster")
    assert 0 <= time.time() - fetched < 60


async def test_a_caller_may_have_both(world: GatewayWorld) -> None:
    """A key is accepted beside the tokens of others."""
    assert (await world.stub.Ask(HELLO, metadata=bearer(KEY))).model == "a"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_algorithms(algorithm: str, tmp_path: Path) -> None:
    """Each of the asymmetric algorithms is accepted, with and without an id of the key."""
    issuer = IssuerServer()
    issuer.keys = {"first": new_key(algorithm)}
    async with issuer:
        async with gateway_world(
            tmp_path,
            MODELS,
            {"one": {}},
            callers=CALLERS,
            issuers={"cluster": issuer.section(jwks_url=issuer.url + KEYS)},
        ) as world:
            for header in ({}, {"kid": None}):
                token = issuer.token(header=header, algorithm=algorithm)
                assert (await world.stub.Ask(HELLO, metadata=bearer(token))).content
        assert issuer.requests == [KEYS]


async def test_times(world: GatewayWorld, issuer: IssuerServer) -> None:
    """A token is accepted from nbf to exp, with half a minute for clocks that differ."""
    now = time.time()
    rows: list[tuple[dict[str, Any], tuple[str, str] | None]] = [
        ({"exp": now - 20}, None),
        ({"exp": now - 31}, EXPIRED),
        ({"nbf": now + 20}, None),
        ({"nbf": now + 60}, EXPIRED),
        ({"exp": now + 0.5}, None),
    ]
    for claims, ending in rows:
        call = world.stub.Ask(HELLO, metadata=bearer(issuer.token(claims)))
        if ending:
            assert await ending_of(call) == ending, claims
        else:
            assert (await call).content, claims


async def test_a_remembered_token_ends(
    world: GatewayWorld, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that was accepted is refused once its time is over."""
    token = bearer(issuer.token())
    assert (await world.stub.Ask(HELLO, metadata=token)).content
    later = time.time() + 3_600 + 31
    monkeypatch.setattr("tokenwire.access.issuers.time.time", lambda: later)
    assert await ending_of(world.stub.Ask(HELLO, metadata=token)) == EXPIRED


async def test_keys_rotate_without_a_restart(
    at_once: None,  # noqa: ARG001 - before the server
    world: GatewayWorld,
    issuer: IssuerServer,
) -> None:
    """A token of a new key is accepted, and one of a key that was removed is not any more."""
    old = bearer(issuer.token())
    assert (await world.stub.Ask(HELLO, metadata=old)).content
    issuer.keys = {"second": new_key("RS256")}
    new = bearer(issuer.token(key="second", algorithm="RS256"))
    assert (await world.stub.Ask(HELLO, metadata=new)).content
    assert await ending_of(world.stub.Ask(HELLO, metadata=old)) == INVALID


async def test_unchanged_issuers_keep_their_keys(world: GatewayWorld, issuer: IssuerServer) -> None:
    """A reload fetches nothing for an issuer that is the same, and applies what has changed."""
    token = bearer(issuer.token())
    assert (await world.stub.Ask(HELLO, metadata=token)).content
    callers = {"night": {"tokens": [{"issuer": "cluster", "subject": "*:batch"}]}}
    section = issuer.section()
    world.write(MODELS, {"one": {}}, callers, issuers={"cluster": section})
    await world.reloaded()
    assert (await world.stub.Ask(HELLO, metadata=token)).model == "a"
    assert issuer.requests == [DISCOVERY, KEYS]
    section = issuer.section(audience="another")
    world.write(MODELS, {"one": {}}, callers, issuers={"cluster": section})
    await world.reloaded()
    assert await ending_of(world.stub.Ask(HELLO, metadata=token)) == INVALID
    assert issuer.requests == [DISCOVERY, KEYS] * 2
    await issuer.down()
    world.write(MODELS, {"one": {}}, {"team": CALLERS["team"]})
    await world.reloaded()
    assert await ending_of(world.stub.Ask(HELLO, metadata=token)) == INVALID
    assert (await world.stub.Ask(HELLO, metadata=bearer(KEY))).content


async def test_nothing_shows_a_token(
    collector: Collector,
    world: GatewayWorld,
    issuer: IssuerServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No log, span, metric or status page has a token, subject, claim or issuer's address."""
    caplog.set_level(logging.DEBUG, "tokenwire")
    good, bad = issuer.token(), issuer.token({"aud": "canary"})
    assert (await world.stub.Ask(HELLO, metadata=bearer(good))).content
    assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(bad))) == INVALID
    written = caplog.text + str([record.__dict__ for record in caplog.records])
    written += str((await read(world.app)).values)
    written += str(await collector.answered(1))
    async with httpx2.AsyncClient() as client:
        for path in ("/", "/status.json"):
            response = await client.get(f"http://{world.app.metrics_address}{path}")
            assert response.status_code == 200
            written += response.text
    for secret in (good, bad, "canary", "batch", "serviceaccount", issuer.url):
        assert secret not in written
    assert "jobs" in written


async def test_callers_wait_for_the_first_keys(tmp_path: Path, issuer: IssuerServer) -> None:
    """While a slow issuer is asked, calls with its tokens wait, and calls with keys do not."""
    released = asyncio.Event()

    async def slow() -> Any:
        await released.wait()
        return issuer.discovery()

    issuer.answers[DISCOVERY] = slow
    issuers = {"cluster": issuer.section()}
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers=issuers
    ) as world:
        await issuer.seen(1)
        token = bearer(issuer.token())
        waiting = [asyncio.ensure_future(world.stub.Ask(HELLO, metadata=token)) for _ in range(5)]
        left = asyncio.ensure_future(world.stub.Ask(HELLO, metadata=token))
        assert (await world.stub.Ask(HELLO, metadata=bearer(KEY))).content
        left.cancel()
        assert not any(call.done() for call in waiting)
        released.set()
        assert all(answer.content for answer in await asyncio.gather(*waiting))
        assert issuer.requests == [DISCOVERY, KEYS]
