"""An issuer of tokens with discovery and a JSON Web Key Set, as OpenID providers are."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

from aiohttp import web
from joserfc import jwk, jws

AUDIENCE: Final = "tokenwire"
SUBJECT: Final = "system:serviceaccount:jobs:batch"
DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/openid/v1/jwks"
"""The path of the keys of a Kubernetes API server."""
ES256: Final = "ES256"

Key = jwk.RSAKey | jwk.ECKey | jwk.OKPKey
Answer = Callable[[], Awaitable[web.StreamResponse]]


def new_key(algorithm: str = ES256) -> Key:
    """Return a new private key for an algorithm."""
    if algorithm.startswith("RS"):
        return jwk.RSAKey.generate_key(2_048)
    if algorithm.startswith("ES"):
        curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
        return jwk.ECKey.generate_key(curve)
    return jwk.OKPKey.generate_key("Ed25519")


def signed(key: Any, header: dict[str, Any], payload: bytes, algorithm: str = ES256) -> str:
    """Return a token that is signed by an algorithm, whatever its header says."""
    alg = jws.JWSRegistry.algorithms[algorithm]
    parts = [json.dumps(header).encode(), payload]
    text = b".".join(encoded(part) for part in parts)
    return b".".join((text, encoded(alg.sign(text, key)))).decode()


def encoded(data: bytes) -> bytes:
    """Return bytes as the parts of a token are encoded."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class IssuerServer:
    """The server of an issuer, on a port of its own.

    Args:
        tls: The TLS of the server; None for http.

    Attributes:
        url: Its address, which is the claim `iss` of its tokens.
        keys: Its private keys, by their ids.
        requests: The paths that were requested.
        authorizations: The header `authorization` of each request; empty without one.
        answers: Makes another response to the requests of a path.
        document: Members that replace those of the discovery document.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._arrived = asyncio.Condition()
        self._port = 0
        self.url = ""
        self.keys: dict[str, Key] = {"first": new_key()}
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.document: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Listen; after `down`, on the same port again."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self._port, ssl_context=self._tls, reuse_address=True
        )
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    async def down(self) -> None:
        """Refuse connections."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def seen(self, number: int) -> None:
        """Wait until this many requests have come."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= number)

    def section(self, **others: Any) -> dict[str, Any]:
        """Return its section in the gateway file."""
        return {"issuer": self.url, "audience": AUDIENCE} | others

    def token(
        self,
        claims: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        *,
        key: str = "first",
        algorithm: str = ES256,
        without: tuple[str, ...] = (),
    ) -> str:
        """Return a token like one of a Kubernetes service account.

        Args:
            claims: Claims that replace the usual ones.
            header: Members that replace those of the header; None for none.
            key: The id of the key.
            algorithm: The algorithm of the signature.
            without: Claims that it lacks.
        """
        everything = self.claims(**(claims or {}))
        payload = {name: value for name, value in everything.items() if name not in without}
        members = {"alg": algorithm, "kid": key} | (header or {})
        return signed(
            self.keys[key],
            {name: value for name, value in members.items() if value is not None},
            json.dumps(payload).encode(),
            algorithm,
        )

    def claims(self, **others: Any) -> dict[str, Any]:
        """Return the claims of a bound token of a Kubernetes service account."""
        now = int(time.time())
        return {
            "aud": [AUDIENCE],
            "exp": now + 3_600,
            "iat": now,
            "iss": self.url,
            "jti": "0e1f6a2c-canary",
            "kubernetes.io": {
                "namespace": "jobs",
                "node": {"name": "node-1", "uid": "6d0a"},
                "pod": {"name": "batch-7d9f", "uid": "b3c1"},
                "serviceaccount": {"name": "batch", "uid": "e4d2"},
            },
            "nbf": now,
            "sub": SUBJECT,
        } | others

    def jwks(self) -> dict[str, Any]:
        """Return the public keys."""
        return {
            "keys": [
                key.as_dict(private=False) | {"kid": name, "use": "sig"}
                for name, key in self.keys.items()
            ]
        }

    def discovery(self) -> web.Response:
        """Return the response with the discovery document."""
        document = {"issuer": self.url, "jwks_uri": self.url + KEYS} | self.document
        return web.json_response(document)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        async with self._arrived:
            self.requests.append(request.path)
            self.authorizations.append(request.headers.get("authorization", ""))
            self._arrived.notify_all()
        if request.path in self.answers:
            return await self.answers[request.path]()
        if request.path == DISCOVERY:
            return self.discovery()
        if request.path == KEYS:
            return web.json_response(self.jwks())
        return web.Response(status=404)
