"""Public keys and signatures of JSON Web Tokens, with `joserfc`.

The library takes 10 MB. So `public_keys` and `access.token` import this module when a key of an
issuer is read, and servers without issuers never do.
"""

from typing import Any, Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.util import base64_to_int

Key: TypeAlias = jwk.RSAKey | jwk.ECKey | jwk.OKPKey

MIN_RSA_BITS: Final = 2_048
MAX_RSA_BITS: Final = 8_192
"""A larger key makes each verification slow."""
CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
MEMBERS: Final = ("kty", "crv", "n", "e", "x", "y")


class _Signatures(jws.JWSRegistry):
    """The algorithms of signatures, without a warning at each signature by EdDSA's older name."""

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name]


SIGNATURES: Final = _Signatures(
    algorithms=[*RSA_ALGORITHMS, *CURVES.values(), "EdDSA"], strict_check_header=False
)


def read_key(entry: dict[str, Any]) -> tuple[Key, tuple[str, ...]] | None:
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


def signed_payload(text: str, key: Key, algorithm: str) -> bytes:
    """Return the payload of a token whose signature is right.

    Args:
        text: The token.
        key: A key for the algorithm.
        algorithm: The algorithm in the token's header.

    Raises:
        ValueError: The key has not signed it.
    """
    try:
        signed = jws.deserialize_compact(text, key, [algorithm], registry=SIGNATURES)
    except (JoseError, UnsupportedAlgorithm) as error:
        raise ValueError("the key has not signed the token") from error
    return signed.payload or b""
