"""From when until when certificates are valid, read by OpenSSL through Python's `ssl`."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which `ssl` has no name."""
MOST_ROUNDS: Final = 4
"""Of a handshake between two sides in memory; TLS 1.3 takes two."""


@dataclass(frozen=True, slots=True)
class Validity:
    """When a certificate is valid.

    Attributes:
        not_before: From then on, in Unix seconds.
        not_after: Until then.
    """

    not_before: float
    not_after: float

    @classmethod
    def of(cls, certificate: Mapping[str, Any]) -> Self:
        """Return that of a certificate as `ssl` decodes it."""
        return cls(
            float(ssl.cert_time_to_seconds(certificate["notBefore"])),
            float(ssl.cert_time_to_seconds(certificate["notAfter"])),
        )


def validity_of_server(pair: ssl.SSLContext, pem: str) -> Validity | None:
    """Return when the certificate that callers are shown is valid.

    Of the certificate and the intermediate ones in its file it is that which expires first. A
    root in the file does not count: callers trust one of their own.

    Args:
        pair: Holds the certificate and its key.
        pem: The certificate's file, the intermediate ones included.

    Returns:
        None if OpenSSL does not accept the certificate as a server's.
    """
    caller = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    caller.check_hostname = False
    # Each certificate is trusted for itself, and an expired one can be told too.
    caller.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    caller.load_verify_locations(cadata=pem)
    try:
        shown = _shown_to(caller, pair)
    except (ssl.SSLError, ValueError):
        return None
    found = [shown, *(each for each in caller.get_ca_certs() if each["issuer"] != each["subject"])]
    return min(map(Validity.of, found), key=lambda validity: validity.not_after)


def validity_of_authorities(pem: str) -> Validity | None:
    """Return when callers' certificates can be valid: while the last authority is.

    While authorities are replaced the file holds old ones too, which may expire.

    Returns:
        None if there is no authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=pem)
    found = map(Validity.of, context.get_ca_certs())
    return max(found, key=lambda validity: validity.not_after, default=None)


def _shown_to(caller: ssl.SSLContext, service: ssl.SSLContext) -> Mapping[str, Any]:
    """Return the certificate that `service` shows: `ssl` decodes only what a peer has shown.

    Raises:
        SSLError: The certificate is not accepted.
        ValueError: The handshake did not end.
    """
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = caller.wrap_bio(back, there), service.wrap_bio(there, back, server_side=True)
    for _ in range(MOST_ROUNDS):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return sides[0].getpeercert() or {}
