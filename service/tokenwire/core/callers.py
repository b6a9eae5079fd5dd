"""Callers: who may call, by their keys."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tokenwire.core.caller import Caller
from tokenwire.core.errors import CredentialsExpired
from tokenwire.core.subjects import Subjects

MAX_KEY_BYTES: Final = 4_096
"""The most bytes of a key that is looked at."""


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
        callers: The callers.
        keys: Their keys.
        subjects: Finds the caller of a token.

    Attributes:
        by_name: The callers, by name.
        subjects: Finds the caller of a token.
    """

    def __init__(self, callers: Iterable[Caller], keys: Iterable[Key], subjects: Subjects) -> None:
        self._keys: Mapping[bytes, Key] = {key.digest: key for key in keys}
        self.by_name: Mapping[str, Caller] = {caller.name: caller for caller in callers}
        self.subjects = subjects

    def find_key(self, text: str) -> Caller | None:
        """Return the caller of a key; None if nobody has it.

        Raises:
            CredentialsExpired: It is not accepted any more.
        """
        encoded = text.encode("utf-8", "surrogatepass")
        if len(encoded) > MAX_KEY_BYTES:
            return None
        digest = hashlib.sha256(encoded).digest()
        key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            return None
        if key.not_after is not None and time.time() >= key.not_after:
            raise CredentialsExpired
        return key.caller
