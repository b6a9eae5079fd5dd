"""Callers: who may call, by their keys and certificates."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tokenwire.core.caller import Caller
from tokenwire.core.certificates import CertificateNames, CertificateOwners, CertificatePattern
from tokenwire.core.errors import CredentialsExpired, CredentialsInvalid
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
        callers: All callers, in the order of the file.
        keys: Their keys.
        subjects: Finds the caller of a token.
        certificates: The patterns of their certificates, by their names.

    Attributes:
        by_name: The callers, by name.
        subjects: Finds the caller of a token.
    """

    def __init__(
        self,
        callers: Iterable[Caller],
        keys: Iterable[Key],
        subjects: Subjects,
        certificates: Mapping[str, tuple[CertificatePattern, ...]] = MappingProxyType({}),
    ) -> None:
        self._keys: Mapping[bytes, Key] = {key.digest: key for key in keys}
        self._owners = CertificateOwners(certificates)
        self.by_name: Mapping[str, Caller] = {caller.name: caller for caller in callers}
        self.subjects = subjects

    @property
    def have_certificates(self) -> bool:
        """Whether any caller is known by its certificate."""
        return bool(self._owners)

    def by_certificate(self, names: CertificateNames) -> Caller:
        """Return the caller of a certificate.

        Raises:
            CredentialsInvalid: It belongs to no caller.
        """
        owner = self._owners.owner(names)
        if owner is None:
            raise CredentialsInvalid
        return self.by_name[owner]

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
