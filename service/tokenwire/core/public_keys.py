"""The public keys with which an issuer's tokens are verified, from a JSON Web Key Set."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final, Self, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwk
from joserfc.errors import JoseError
from joserfc.util import base64_to_int

Key: TypeAlias = jwk.RSAKey | jwk.ECKey | jwk.OKPKey

MAX_KEYS: Final = 256
MIN_RSA_BITS: Final = 2_048
MAX_RSA_BITS: Final = 8_192
"""A larger key makes each verification slow."""
CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
MEMBERS: Final = ("kty", "crv", "n", "e", "x", "y")
ALGORITHMS: Final = frozenset({*RSA_ALGORITHMS, *CURVES.values(), "EdDSA"})
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

    def __init__(self, keys: list[tuple[str | None, tuple[str, ...], Key]], digest: bytes) -> None:
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

    def find(self, name: str | None, algorithm: str) -> Key | None:
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


def _usable(entry: Any) -> Iterator[tuple[str | None, tuple[str, ...], Key]]:
    if not isinstance(entry, dict):
        return
    operations = entry.get("key_ops")
    if entry.get("use", "sig") != "sig":
        return
    if isinstance(operations, list) and "verify" not in operations:
        return
    name, stated = entry.get("kid"), entry.get("alg")
    found = _key(entry)
    if found is None or not isinstance(name, str | None):
        return
    key, possible = found
    algorithms = tuple(each for each in possible if stated in (None, each))
    if algorithms:
        yield name, algorithms, key


def _key(entry: dict[str, Any]) -> tuple[Key, tuple[str, ...]] | None:
    """Return a key and the algorithms that its type permits; None if it is of no use."""
    # Only the public numbers: the rest of the entry decides nothing here, and some issuers have
    # members in it that the library refuses.
    public: dict[str, Any] = {name: entry[name] for name in MEMBERS if name in entry}
    kind, curve = public.get("kty"), public.get("crv")
    try:
        if (
            kind == "RSA"
            and MIN_RSA_BITS <= base64_to_int(public["n"]).bit_length() <= MAX_RSA_BITS
        ):
            modulus = jwk.RSAKey.import_key(public)
            assert modulus.public_key  # noqa: S101 - as below
            return modulus, RSA_ALGORITHMS
        if kind == "EC" and curve in CURVES:
            elliptic = jwk.ECKey.import_key(public)
            # An invalid point is noticed when the key is made, which is at its first use.
            assert elliptic.public_key  # noqa: S101 - makes it
            return elliptic, (CURVES[curve],)
        if kind == "OKP" and curve in ("Ed25519", "Ed448"):
            edwards = jwk.OKPKey.import_key(public)
            assert edwards.public_key  # noqa: S101 - makes it
            return edwards, ("EdDSA",)
    # Whatever is wrong with one key, the others are used.
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        return None
    return None
