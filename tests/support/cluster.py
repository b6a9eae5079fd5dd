"""A Kubernetes cluster as far as its service accounts go: their tokens, and who has the keys."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import trustme

from support.issuer import KEYS, IssuerServer

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
API_SERVER: Final = "https://kubernetes.default.svc"
NAMESPACE: Final = "models"
_SIGNER: Final = IssuerServer()


def token_of(account: str, audience: str = API_SERVER, namespace: str = NAMESPACE) -> str:
    """Return a token of a service account, as the kubelet mounts it."""
    claims = {
        "aud": [audience],
        "iss": ISSUER,
        "sub": f"system:serviceaccount:{namespace}:{account}",
    }
    return _SIGNER.token(claims)


def mounted_token(source: dict[str, Any], account: str) -> str:
    """Return the token of a `serviceAccountToken` of a projected volume."""
    return token_of(account, source.get("audience") or API_SERVER)


@asynccontextmanager
async def api_server(authority: trustme.CA) -> AsyncIterator[IssuerServer]:
    """Run the part of an API server that has the keys, with a certificate of an authority."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    server = IssuerServer(tls)
    server.keys = _SIGNER.keys
    async with server:
        yield server


def address_of_keys(server: IssuerServer) -> str:
    """Return the address of the keys."""
    return server.url + KEYS
