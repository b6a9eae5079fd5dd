"""Callers: who may call, by their keys."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tokenwire.core.errors import CredentialsExpired, CredentialsInvalid
from tokenwire.core.limits import Limits

MAX_KEY_BYTES: Final = 4_096
"""The most bytes of a key that is looked at."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the gateway file.

    Attributes:
        name: The name in the file.
        models: The models that it may use, in the order of the file; None for all.
        limits: How much it may use; None for any amount.
    """

    name: str
    models: tuple[str, ...] | None = None
    limits: Limits | None = None

    def may_use(self, model: str) -> bool:
        """Report whether it may use a model."""
        return self.models is None or model in self.models


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a caller.

    Attributes:
        digest: The SHA-256 of the key.
        caller: The caller.
        not_after: The Unix time in seconds from which the key is not accepted; None for never.
    """

    digest: bytes
    caller: Caller
    not_after: float | None = None


class Callers:
    """All callers.

    Keys are found by their digest. What the time of a lookup tells of the digest is of no use to
    somebody who looks for the key: its digest is as hard to guess as the key itself.

    Args:
        keys: The keys.

    Attributes:
        by_name: The callers that have a key, by name.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: Mapping[bytes, Key] = {key.digest: key for key in keys}
        self.by_name: Mapping[str, Caller] = {
            key.caller.name: key.caller for key in self._keys.values()
        }

    def by_key(self, text: str) -> Caller:
        """Return the caller of a key.

        Raises:
            CredentialsInvalid: No caller has the key.
            CredentialsExpired: It is not accepted any more.
        """
        encoded = text.encode("utf-8", "surrogatepass")
        if len(encoded) > MAX_KEY_BYTES:
            raise CredentialsInvalid
        digest = hashlib.sha256(encoded).digest()
        key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise CredentialsInvalid
        if key.not_after is not None and time.time() >= key.not_after:
            raise CredentialsExpired
        return key.caller
