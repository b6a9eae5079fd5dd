"""Reads the parts of a JSON Web Token, and verifies its signature and its claims."""

import time
from typing import TYPE_CHECKING, Final

import msgspec
from joserfc.util import urlsafe_b64decode

from tokenwire.core.errors import CredentialsExpired, CredentialsInvalid
from tokenwire.core.public_keys import ALGORITHMS

if TYPE_CHECKING:
    from tokenwire.core.signatures import Key

MAX_TOKEN_BYTES: Final = 8_192
"""A longer token is refused before anything of it is read. One of a Kubernetes service account has
about 1,000 bytes, and gRPC limits all metadata of a call to 16 KiB."""
LEEWAY_SECONDS: Final = 30
"""How much the clocks of the issuer and of this host may differ."""
PARTS: Final = 3
MALFORMED: Final = (ValueError, TypeError, RecursionError, msgspec.MsgspecError)
"""What is raised by bytes that are not what they should be."""
MAX_SUBJECT: Final = 1_024


class TokenHeader(msgspec.Struct):
    """The header of a token.

    Attributes:
        alg: The algorithm of the signature.
        kid: The id of the key; None without one.
        crit: Extensions that must be understood; this service knows none.
        b64: Whether the payload is encoded, which it always is in a token.
    """

    alg: str
    kid: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    b64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_extended(self) -> bool:
        """Whether the token is more than RFC 7519 describes."""
        return self.crit is not msgspec.UNSET or self.b64 is not msgspec.UNSET


class TokenIssuer(msgspec.Struct):
    """What of the payload is read before the signature is verified."""

    iss: str


class TokenClaims(msgspec.Struct):
    """The claims of a token that are looked at."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    nbf: float | None = None


class UnverifiedToken:
    """A token whose signature is not verified yet.

    Args:
        text: The token.

    Attributes:
        header: Its header.
        issuer: The issuer that it names.

    Raises:
        CredentialsInvalid: It is no token that could be verified.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            header, payload, _ = text.encode("ascii").split(b".")
            self.header = msgspec.json.decode(urlsafe_b64decode(header), type=TokenHeader)
            self.issuer = msgspec.json.decode(urlsafe_b64decode(payload), type=TokenIssuer).iss
        except MALFORMED:
            raise CredentialsInvalid from None
        if self.header.alg not in ALGORITHMS or self.header.is_extended:
            raise CredentialsInvalid

    def claims(self, key: "Key") -> TokenClaims:
        """Return the claims.

        Raises:
            CredentialsInvalid: The key has not signed it, or a claim is missing.
        """
        # Imported when the key was read.
        from tokenwire.core.signatures import signed_payload  # noqa: PLC0415

        try:
            # The key was chosen by the algorithm, so its type fits.
            payload = signed_payload(self._text, key, self.header.alg)
            return msgspec.json.decode(payload, type=TokenClaims)
        except MALFORMED:
            raise CredentialsInvalid from None


def check_claims(claims: TokenClaims, issuer: str, audience: str) -> None:
    """Check that a token is for this service, and that it is valid now.

    Raises:
        CredentialsInvalid: It is of another issuer or for another audience, or has no subject.
        CredentialsExpired: It is not valid any more, or not yet.
    """
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer or audience not in audiences:
        raise CredentialsInvalid
    if not 0 < len(claims.sub) <= MAX_SUBJECT:
        raise CredentialsInvalid
    now = time.time()
    if now >= claims.exp + LEEWAY_SECONDS:
        raise CredentialsExpired
    if claims.nbf is not None and claims.nbf > now + LEEWAY_SECONDS:
        raise CredentialsExpired


def is_token(text: str) -> bool:
    """Report whether credentials have the form of a token and not of a key."""
    return text.count(".") == PARTS - 1
