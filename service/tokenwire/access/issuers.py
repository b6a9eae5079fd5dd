"""Verifies the tokens of callers."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from tokenwire.access.issuer_keys import IssuerKeys
from tokenwire.access.token import LEEWAY_SECONDS, MAX_TOKEN_BYTES, UnverifiedToken, check_claims
from tokenwire.config.gateway.issuer_files import LoadedIssuer
from tokenwire.core.errors import CredentialsInvalid
from tokenwire.core.public_keys import PublicKeys
from tokenwire.observability.metrics.labels import IssuerFetchResult

MAX_VERIFIED: Final = 4_096
"""The number of tokens whose verification is remembered, least recently used first out."""


class VerifiedToken(NamedTuple):
    """A token whose signature and claims are right.

    Attributes:
        issuer: The issuer's name in the gateway file.
        subject: The claim `sub`.
        ends: The Unix time in seconds from which it is not accepted.
        source: The issuer whose keys verified it.
        keys: These keys. Others may not verify it.
    """

    issuer: str
    subject: str
    ends: float
    source: IssuerKeys
    keys: PublicKeys | None


class Issuers:
    """The issuers of the gateway file.

    Args:
        on_fetch: Called with the issuer's name and the result of each fetch of keys.

    Attributes:
        by_name: The issuers, by their names.
    """

    def __init__(self, on_fetch: Callable[[str, IssuerFetchResult], None] | None = None) -> None:
        self.on_fetch = on_fetch
        self.by_name: dict[str, IssuerKeys] = {}
        self._by_claim: dict[str, tuple[str, IssuerKeys]] = {}
        self._verified: OrderedDict[bytes, VerifiedToken] = OrderedDict()
        self._started = False
        self._stopping: set[asyncio.Task[None]] = set()

    def replace(self, loaded: Mapping[str, LoadedIssuer]) -> None:
        """Use other issuers; those that are the same keep their keys.

        Must run in the event loop once the issuers are started.
        """
        before, after = self.by_name, {}
        for name, each in loaded.items():
            old = before.get(name)
            if old and _identity(old.loaded) == _identity(each):
                # Only the authorities may differ, and they matter at the next fetch.
                old.loaded = each
                after[name] = old
            else:
                after[name] = IssuerKeys(name, each, partial(self._fetched, name))
        self.by_name = after
        self._by_claim = {each.loaded.issuer: (name, each) for name, each in after.items()}
        if self._started:
            for name, keys in after.items():
                if keys is not before.get(name):
                    keys.start()
            for name, keys in before.items():
                if keys is not after.get(name):
                    task = asyncio.create_task(keys.stop())
                    self._stopping.add(task)
                    task.add_done_callback(self._stopping.discard)

    def fetched(self) -> Iterator[tuple[str, IssuerKeys]]:
        """Yield the issuers whose keys are fetched, with their names."""
        for name, keys in self.by_name.items():
            if keys.loaded.keys is None:
                yield name, keys

    def start(self) -> None:
        """Start to fetch the keys."""
        self._started = True
        for keys in self.by_name.values():
            keys.start()

    async def stop(self) -> None:
        """Stop."""
        self._started = False
        for keys in self.by_name.values():
            await keys.stop()

    def remembered(self, text: str) -> VerifiedToken | None:
        """Return what a token says if it was verified before; None otherwise."""
        return self._verified_before(_digest_of(text)) if len(text) <= MAX_TOKEN_BYTES else None

    async def verify(self, text: str) -> VerifiedToken:
        """Return what a token says.

        Raises:
            CredentialsInvalid: It is of no issuer of the file, or not for this service.
            CredentialsExpired: It is not valid any more, or not yet.
            IssuerUnavailable: The keys of its issuer cannot be fetched.
        """
        if not self.by_name or len(text) > MAX_TOKEN_BYTES:
            raise CredentialsInvalid
        digest = _digest_of(text)
        known = self._verified_before(digest)
        if known:
            return known
        token = UnverifiedToken(text)
        name, source = self._by_claim.get(token.issuer, ("", None))
        if source is None:
            raise CredentialsInvalid
        key = await source.key_of(token.header.kid, token.header.alg)
        keys = source.keys
        claims = token.claims(key)
        check_claims(claims, source.loaded.issuer, source.loaded.section.audience)
        ends = claims.exp + LEEWAY_SECONDS
        verified = VerifiedToken(name, claims.sub, ends, source, keys)
        self._verified[digest] = verified
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)
        return verified

    def _verified_before(self, digest: bytes) -> VerifiedToken | None:
        known = self._verified.get(digest)
        if known is None or not self._holds(known):
            return None
        self._verified.move_to_end(digest)
        return known

    def _holds(self, token: VerifiedToken) -> bool:
        source = token.source
        return (
            time.time() < token.ends
            and source.keys is token.keys
            and self.by_name.get(token.issuer) is source
        )

    def _fetched(self, name: str, result: IssuerFetchResult) -> None:
        if self.on_fetch:
            self.on_fetch(name, result)


def _digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _identity(loaded: LoadedIssuer) -> object:
    return loaded.section, loaded.issuer, loaded.token_file, loaded.keys
