"""Fetches the public keys of a token issuer."""

import asyncio
import json
import ssl
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from tokenwire.config.gateway.issuer_files import LoadedIssuer
from tokenwire.config.gateway.issuers import is_private
from tokenwire.config.regular_files import read_regular
from tokenwire.core.public_keys import PublicKeys, PublicKeysError
from tokenwire.observability.metrics.labels import IssuerFetchResult

FETCH_SECONDS: Final = 10.0
"""The longest time of a fetch, with discovery."""
MAX_DOCUMENT_BYTES: Final = 1 << 18
MAX_TOKEN_BYTES: Final = 1 << 16
DISCOVERY: Final = "/.well-known/openid-configuration"
HEADERS: Final = {
    "accept": "application/jwk-set+json, application/json;q=0.9, */*;q=0.1",
    "accept-encoding": "identity",
    "user-agent": "tokenwire",
}


class KeyFetchError(Exception):
    """The keys cannot be fetched.

    Attributes:
        result: Why, for metrics and logs. Nothing else of the failure is kept, because it has
            hosts and texts of others.
    """

    def __init__(self, result: IssuerFetchResult) -> None:
        super().__init__(result.value)
        self.result = result


async def fetch_keys(issuer: LoadedIssuer) -> PublicKeys:
    """Return the current keys of an issuer.

    The address is that of the gateway file, or of the issuer's own discovery document; no token
    of a caller has a part in it. Redirects are not followed, proxies and cookies are not used.

    Raises:
        KeyFetchError: They cannot be fetched.
    """
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            # In threads, because these read files and can take 40 ms.
            bearer = await asyncio.to_thread(_bearer_of, issuer)
            authorities = await asyncio.to_thread(
                ssl.create_default_context, cadata=issuer.authorities
            )
            connector = aiohttp.TCPConnector(ssl=authorities, force_close=True, limit=1)
            async with aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session:
                return await _fetch(session, issuer, bearer)
    except TimeoutError:
        result = IssuerFetchResult.TIMEOUT
    except aiohttp.ClientSSLError:
        result = IssuerFetchResult.TLS
    # ValueError: a URL that cannot be asked. RuntimeError: no thread can be started.
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError):
        result = IssuerFetchResult.UNREACHABLE
    raise KeyFetchError(result)


async def _fetch(
    session: aiohttp.ClientSession, issuer: LoadedIssuer, bearer: str | None
) -> PublicKeys:
    first = issuer.section.jwks_url or issuer.issuer.rstrip("/") + DISCOVERY
    url = first
    document = await _get(session, url, bearer)
    if issuer.section.jwks_url is None:
        url = await asyncio.to_thread(_keys_url, document, issuer.issuer, first)
        # Another host must not get the token.
        same = URL(url).origin() == URL(first).origin()
        document = await _get(session, url, bearer if same else None)
    try:
        # In a thread, because hundreds of keys take tens of milliseconds.
        return await asyncio.to_thread(PublicKeys.parse, document)
    except PublicKeysError:
        raise KeyFetchError(IssuerFetchResult.INVALID) from None


async def _get(session: aiohttp.ClientSession, url: str, bearer: str | None) -> bytes:
    headers = HEADERS | ({"authorization": f"Bearer {bearer}"} if bearer else {})
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        if response.status != HTTPStatus.OK:
            raise KeyFetchError(IssuerFetchResult.STATUS)
        document = bytearray()
        async for data in response.content.iter_any():
            document += data
            if len(document) > MAX_DOCUMENT_BYTES:
                raise KeyFetchError(IssuerFetchResult.TOO_LARGE)
        return bytes(document)


def _keys_url(document: bytes, issuer: str, discovery_url: str) -> str:
    """Return the address of the keys that a discovery document names.

    Raises:
        KeyFetchError: It is not the document of the issuer.
    """
    try:
        members = json.loads(document)
        url = members["jwks_uri"]
        own = members["issuer"] == issuer
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeyFetchError(IssuerFetchResult.INVALID) from None
    if not (own and isinstance(url, str)):
        raise KeyFetchError(IssuerFetchResult.INVALID)
    try:
        downgraded = urlsplit(discovery_url).scheme == "https" != urlsplit(url).scheme
        if downgraded or not is_private(url):
            raise KeyFetchError(IssuerFetchResult.INVALID)
    except ValueError:
        raise KeyFetchError(IssuerFetchResult.INVALID) from None
    return url


def _bearer_of(issuer: LoadedIssuer) -> str | None:
    if issuer.token_file is None:
        return None
    try:
        token = read_regular(issuer.token_file, MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, ValueError):
        token = ""
    if not token or not token.isprintable():
        raise KeyFetchError(IssuerFetchResult.TOKEN_FILE)
    return token
