"""The public keys with which an issuer's tokens are verified, from a JSON Web Key Set."""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from tokenwire.core.signatures import Key

MAX_KEYS: Final = 256
ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"})
"""The algorithms of signatures that are accepted. `none` and HS* are not: with HS* whoever knows
the public key could sign."""


class PublicKeysError(ValueError):
    """A document is no JSON Web Key Set with a usable key. The message does not repeat it."""


class PublicKeys:
    """The public keys of an issuer.

    Args:
        keys: Each key with its id, or None, and the algorithms that it is for.
        digest: What tells the document apart from another one.
    """

    def __init__(
        self, keys: list[tuple[str | None, tuple[str, ...], "Key"]], digest: bytes
    ) -> None:
        self._keys = keys
        self._digest = digest
        self._by_id: dict[tuple[str, str], Key] = {}
        for name, algorithms, key in keys:
            for algorithm in algorithms:
                if name is not None:
                    self._by_id.setdefault((name, algorithm), key)
        self._ids = {name for name, _, _ in keys}

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Return the keys of a JSON Web Key Set.

        Keys that are not for signatures, or of unknown types, are left out, as RFC 7517 asks.

        Raises:
            PublicKeysError: It is none, or has too many keys or no usable key.
        """
        try:
            entries = json.loads(document)["keys"]
        except (ValueError, KeyError, TypeError, RecursionError):
            entries = None
        if not isinstance(entries, list):
            raise PublicKeysError("must be a JSON Web Key Set: a JSON object with a list `keys`")
        if len(entries) > MAX_KEYS:
            raise PublicKeysError(f"must have at most {MAX_KEYS} keys")
        keys = [found for entry in entries for found in _usable(entry)]
        if not keys:
            raise PublicKeysError(
                "has no key for RS256, RS384, RS512, ES256, ES384, ES512 or EdDSA"
            )
        return cls(keys, hashlib.sha256(document).digest())

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKeys) and other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def find(self, name: str | None, algorithm: str) -> "Key | None":
        """Return the key for a token; None if there is none, or without an id several.

        Args:
            name: The id in the token's header, `kid`; None if it has none.
            algorithm: The algorithm in the token's header, `alg`.
        """
        if name is not None:
            return self._by_id.get((name, algorithm))
        fitting = [key for _, algorithms, key in self._keys if algorithm in algorithms]
        return fitting[0] if len(fitting) == 1 else None

    def knows(self, name: str | None, algorithm: str) -> bool:
        """Report whether another version of the document would not help to verify a token."""
        if name is not None:
            return name in self._ids
        return any(algorithm in algorithms for _, algorithms, _ in self._keys)


def _usable(entry: Any) -> Iterator[tuple[str | None, tuple[str, ...], "Key"]]:
    if not isinstance(entry, dict):
        return
    operations = entry.get("key_ops")
    if entry.get("use", "sig") != "sig":
        return
    if isinstance(operations, list) and "verify" not in operations:
        return
    name, stated = entry.get("kid"), entry.get("alg")
    # Imported here because only servers with issuers need it; see the module.
    from tokenwire.core.signatures import read_key  # noqa: PLC0415

    found = read_key(entry)
    if found is None or not isinstance(name, str | None):
        return
    key, possible = found
    algorithms = tuple(each for each in possible if stated in (None, each))
    if algorithms:
        yield name, algorithms, key
