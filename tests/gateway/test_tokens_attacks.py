"""Tokens that somebody has made to be accepted, or to keep the server busy."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk
from joserfc.util import int_to_base64

from support.exposed import read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, reason_of
from support.issuer import DISCOVERY, KEYS, IssuerServer, encoded, new_key, signed
from support.limits import bearer
from support.unary import ending_of, error_of
from tokenwire.cli.keys import hash_of
from tokenwire.core.public_keys import PublicKeys, PublicKeysError

KEY = "tw_team_canary1"
MODELS: dict[str, Any] = {"fast": {"routes": "one/a"}}
CALLERS: dict[str, Any] = {
    "jobs": {"tokens": [{"issuer": "cluster", "subject": "system:serviceaccount:jobs:*"}]},
    "team": {"keys": [hash_of(KEY)]},
}
INVALID = ("UNAUTHENTICATED", "CREDENTIALS_INVALID")


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerServer]:
    """Start an issuer with a key of each type."""
    running = IssuerServer()
    running.keys |= {"rsa": new_key("RS256"), "edwards": new_key("EdDSA")}
    async with running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, issuer: IssuerServer) -> AsyncIterator[GatewayWorld]:
    """Start a server that has the keys of the issuer."""
    issuers = {"cluster": issuer.section()}
    async with gateway_world(
        tmp_path,
        MODELS,
        {"one": {}},
        callers=CALLERS,
        issuers=issuers,
        # So that a busy machine rejects no call before it looks at its token.
        queue_timeout_seconds=30,
    ) as running:
        # The keys are known then.
        assert (await running.stub.Ask(HELLO, metadata=bearer(issuer.token()))).content
        yield running


def unsigned(issuer: IssuerServer) -> str:
    """Return a token without a signature."""
    header = encoded(json.dumps({"alg": "none"}).encode())
    return f"{header.decode()}.{encoded(json.dumps(issuer.claims()).encode()).decode()}."


def by_secret(issuer: IssuerServer, secret: bytes, key: str, algorithm: str = "HS256") -> str:
    """Return a token whose signature is an HMAC with a text that everyone knows."""
    header = encoded(json.dumps({"alg": algorithm, "kid": key}).encode())
    text = header + b"." + encoded(json.dumps(issuer.claims()).encode())
    return b".".join((text, encoded(hmac.digest(secret, text, sha256)))).decode()


def by_another(issuer: IssuerServer, **header: Any) -> str:
    """Return a token that another key has signed, with the issuer's id of its key."""
    stranger = new_key()
    public = stranger.as_dict(private=False)
    members = {"alg": "ES256", "kid": "first"} | header
    members = {name: public if value is True else value for name, value in members.items()}
    return signed(stranger, members, json.dumps(issuer.claims()).encode())


def pem(key: Any) -> bytes:
    """Return a public key in PEM."""
    text: bytes = key.as_pem(private=False)
    return text


def with_payload(issuer: IssuerServer, payload: bytes) -> str:
    """Return a token that the issuer has signed, with any payload."""
    return signed(issuer.keys["first"], {"alg": "ES256", "kid": "first"}, payload)


ATTACKS: dict[str, Callable[[IssuerServer], str]] = {
    "alg none": unsigned,
    "alg none with a signature": lambda i: i.token(header={"alg": "none"}),
    "alg NONE": lambda i: i.token(header={"alg": "NONE"}),
    "alg HS256": lambda i: by_secret(i, b"secret", "first"),
    "the PEM of a key as the secret": lambda i: by_secret(i, pem(i.keys["rsa"]), "rsa"),
    "the same, stated as RS256": lambda i: by_secret(i, pem(i.keys["rsa"]), "rsa", "RS256"),
    "the JSON of a key as the secret": lambda i: by_secret(
        i, json.dumps(i.jwks()["keys"][0]).encode(), "first"
    ),
    "alg of another type of key": lambda i: i.token(header={"alg": "RS256"}),
    "alg of another curve": lambda i: i.token(header={"alg": "ES384"}),
    "alg EdDSA for an EC key": lambda i: i.token(header={"alg": "EdDSA"}),
    "alg PS256": lambda i: i.token(header={"kid": "rsa"}, key="rsa", algorithm="PS256"),
    "alg ES256K": lambda i: i.token(header={"alg": "ES256K"}),
    "alg is missing": lambda i: i.token().replace(
        i.token().split(".")[0], encoded(b'{"kid":"first"}').decode()
    ),
    "another key": by_another,
    "another key, in the header": lambda i: by_another(i, jwk=True),
    "another key, at an address": lambda i: by_another(i, jku=f"{i.url}/attack"),
    "another key, by a certificate": lambda i: by_another(i, x5u=f"{i.url}/attack"),
    "an id that is no text": lambda i: i.token(header={"kid": 1}),
    "an id like a path": lambda i: i.token(header={"kid": "../../attack"}),
    "no id, and another key": lambda i: by_another(i, kid=None),
    "an extension that must be known": lambda i: i.token(header={"crit": ["exp"]}),
    "a payload that is not encoded": lambda i: i.token(header={"b64": False, "crit": ["b64"]}),
    "another audience": lambda i: i.token({"aud": "other"}),
    "a part of the audience": lambda i: i.token({"aud": ["tokenwire2", "token"]}),
    "an audience that is no text": lambda i: i.token({"aud": {"tokenwire": True}}),
    "no audience": lambda i: i.token(without=("aud",)),
    "another issuer": lambda i: i.token({"iss": "https://attack.example"}),
    "the issuer with a slash": lambda i: i.token({"iss": f"{i.url}/"}),
    "no issuer": lambda i: i.token(without=("iss",)),
    "no end": lambda i: i.token(without=("exp",)),
    "an end that is text": lambda i: i.token({"exp": "9999999999"}),
    "an end that is true": lambda i: i.token({"exp": True}),
    "an end that is null": lambda i: i.token({"exp": None}),
    "an end that is no number": lambda i: with_payload(
        i, json.dumps(i.claims(exp=float("nan"))).encode()
    ),
    "an endless end": lambda i: with_payload(
        i, json.dumps(i.claims()).replace(str(i.claims()["exp"]), "1e999").encode()
    ),
    "no subject": lambda i: i.token(without=("sub",)),
    "an empty subject": lambda i: i.token({"sub": ""}),
    "the subject of nobody": lambda i: i.token({"sub": "system:serviceaccount:other:batch"}),
    "a subject with more before": lambda i: i.token({"sub": "x:system:serviceaccount:jobs:a"}),
    "a long subject": lambda i: i.token({"sub": "system:serviceaccount:jobs:" + "a" * 1_024}),
    "a start that is text": lambda i: i.token({"nbf": "now"}),
    "no JSON": lambda i: with_payload(i, b"tokenwire"),
    "a list": lambda i: with_payload(i, b"[1]"),
    "deep JSON": lambda i: with_payload(i, b"[" * 5_000),
    "deep JSON within": lambda i: with_payload(
        i, json.dumps(i.claims()).encode()[:-1] + b',"a":' + b"[" * 4_000 + b"]" * 1_000 + b"}"
    ),
    "no base64": lambda i: i.token().replace(".", ".%", 1),
    "no ASCII in it": lambda i: i.token()[:-1] + "~",
    "without its signature": lambda i: i.token().rpartition(".")[0] + ".",
    "with a shorter signature": lambda i: i.token()[:-8],
    "only dots": lambda _: "..",
    "five parts": lambda i: i.token() + ".a.b",
    "larger than 8 KiB": lambda i: i.token({"pad": "a" * 6_200}),
}


async def test_attacks(
    world: GatewayWorld, issuer: IssuerServer, subtests: pytest.Subtests
) -> None:
    """Each is refused with the text and the reason of an unknown key, and asks nobody."""
    known = await error_of(collect(world.stub.Send(HELLO, metadata=bearer("tw_a_b"))))
    issuer.keys["another"] = new_key()
    for name, make in ATTACKS.items():
        with subtests.test(name):
            token = make(issuer)
            error = await error_of(collect(world.stub.Send(HELLO, metadata=bearer(token))))
            assert (error.code().name, reason_of(error)) == INVALID
            assert _text(error.details()) == _text(known.details())
    assert issuer.requests == [DISCOVERY, KEYS]
    assert world.seen() == {"one": 1}
    assert (await world.stub.Ask(HELLO, metadata=bearer(issuer.token()))).content


def _text(details: str | None) -> str:
    return (details or "").partition("Request id")[0]


async def test_a_flood_of_unknown_ids(world: GatewayWorld, issuer: IssuerServer) -> None:
    """Tokens with ids of no key lead to no further request within half a minute."""
    tokens = [issuer.token(header={"kid": f"unknown-{number}"}) for number in range(200)]
    endings = await asyncio.gather(
        *(ending_of(world.stub.Ask(HELLO, metadata=bearer(token))) for token in tokens)
    )
    assert {*endings} == {INVALID}
    assert issuer.requests == [DISCOVERY, KEYS]
    exposed = await read(world.app)
    assert exposed.total("tokenwire_issuer_fetches_total", issuer="cluster") == 1


async def test_a_flood_at_the_start(tmp_path: Path, issuer: IssuerServer) -> None:
    """All calls before the first keys wait for the same request."""
    issuers = {"cluster": issuer.section()}
    async with gateway_world(
        tmp_path,
        MODELS,
        {"one": {}},
        callers=CALLERS,
        issuers=issuers,
        queue_timeout_seconds=30,
    ) as world:
        tokens = [issuer.token(header={"kid": f"unknown-{number}"}) for number in range(50)]
        for ending in await asyncio.gather(
            *(ending_of(world.stub.Ask(HELLO, metadata=bearer(token))) for token in tokens)
        ):
            assert ending == INVALID
    assert issuer.requests == [DISCOVERY, KEYS]


async def test_an_expired_token_of_another_key(world: GatewayWorld, issuer: IssuerServer) -> None:
    """The times of a token are told only to who has a token that the issuer signed."""
    past = {"exp": time.time() - 3_600}
    expired = await ending_of(world.stub.Ask(HELLO, metadata=bearer(issuer.token(past))))
    assert expired == ("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
    forged = signed(
        new_key(), {"alg": "ES256", "kid": "first"}, json.dumps(issuer.claims(**past)).encode()
    )
    assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(forged))) == INVALID
    foreign = issuer.token(past | {"aud": "other"})
    assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(foreign))) == INVALID


async def test_a_key_with_the_form_of_a_token(tmp_path: Path, issuer: IssuerServer) -> None:
    """A key of the file may look like a token; it is accepted by its hash."""
    key = issuer.token({"aud": "other"})
    callers = CALLERS | {"team": {"keys": [hash_of(key)]}}
    issuers = {"cluster": issuer.section()}
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=callers, issuers=issuers
    ) as world:
        assert (await world.stub.Ask(HELLO, metadata=bearer(key))).content


def test_keys_that_are_not_used() -> None:
    """A key set may have keys that are too weak, too slow, symmetric or not for signatures."""
    good = new_key().as_dict(private=False)
    small = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - weak on purpose
    weak = small.public_key().public_numbers().n
    others: list[Any] = [
        {"kty": "RSA", "e": "AQAB", "n": int_to_base64(weak)},
        jwk.OctKey.generate_key(256).as_dict(private=True),
        good | {"use": "enc"},
        good | {"key_ops": ["sign"]},
        good | {"alg": "ES384"},
        good | {"alg": "HS256"},
        good | {"x": good["y"]},
        good | {"kid": 1},
        {"kty": "EC", "crv": "secp256k1"},
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "RSA", "n": "!", "e": []},
        "text",
        None,
    ]
    keys = PublicKeys.parse(json.dumps({"keys": [*others, good | {"kid": "a"}]}).encode())
    assert len(keys) == 1
    assert keys.find("a", "ES256") is keys.find(None, "ES256") is not None
    assert keys.find("a", "RS256") is None
    for document in (b"", b"[]", b"{}", b'{"keys":{}}', b"[" * 100_000):
        with pytest.raises(PublicKeysError, match="must be a JSON Web Key Set"):
            PublicKeys.parse(document)
    with pytest.raises(PublicKeysError, match="has no key for"):
        PublicKeys.parse(json.dumps({"keys": others}).encode())
    with pytest.raises(PublicKeysError, match="at most 256"):
        PublicKeys.parse(json.dumps({"keys": [None] * 257}).encode())
