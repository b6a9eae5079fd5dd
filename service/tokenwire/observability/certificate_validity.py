"""The validity period of certificates, read by OpenSSL through Python's `ssl`."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which `ssl` has no name."""
MAX_HANDSHAKE_ROUNDS: Final = 4
"""Bounds an in-memory handshake; TLS 1.3 needs two rounds."""


@dataclass(frozen=True, slots=True)
class Validity:
    """The validity period of a certificate.

    Attributes:
        not_before: The start of the period, in Unix seconds.
        not_after: The end of the period, in Unix seconds.
    """

    not_before: float
    not_after: float

    @classmethod
    def of(cls, certificate: Mapping[str, Any]) -> Self:
        """Return the validity period of a certificate that `ssl` has decoded."""
        return cls(
            float(ssl.cert_time_to_seconds(certificate["notBefore"])),
            float(ssl.cert_time_to_seconds(certificate["notAfter"])),
        )


def validity_of_server(server: ssl.SSLContext, pem: str) -> Validity | None:
    """Return the validity period of the certificate chain that the server presents.

    The period is that of the first certificate to expire, among the server certificate and the
    intermediate certificates in its file. A root certificate in the file is ignored, because
    callers verify against their own copy.

    Args:
        server: A context that has loaded the certificate and its key.
        pem: The content of the certificate file, intermediate certificates included.

    Returns:
        The validity period, or None if OpenSSL does not accept the certificate for a server.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # Trusting each certificate directly, at any time, lets expired chains be read too.
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    client.load_verify_locations(cadata=pem)
    try:
        leaf = _presented_certificate(client, server)
    except (ssl.SSLError, ValueError):
        return None
    chain = [leaf, *(each for each in client.get_ca_certs() if each["issuer"] != each["subject"])]
    return min(map(Validity.of, chain), key=lambda validity: validity.not_after)


def validity_of_authorities(pem: str) -> Validity | None:
    """Return the validity period of the client certificate authority that expires last.

    During a rotation the file also holds old authorities, which may expire.

    Args:
        pem: The content of the file of authorities.

    Returns:
        The validity period, or None if the file has no authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=pem)
    authorities = map(Validity.of, context.get_ca_certs())
    return max(authorities, key=lambda validity: validity.not_after, default=None)


def _presented_certificate(client: ssl.SSLContext, server: ssl.SSLContext) -> Mapping[str, Any]:
    """Return the decoded certificate that `server` presents in an in-memory handshake.

    `ssl` decodes only certificates that a peer has presented.

    Raises:
        SSLError: The client side rejects the certificate.
        ValueError: The handshake did not complete.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(MAX_HANDSHAKE_ROUNDS):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return sides[0].getpeercert() or {}
