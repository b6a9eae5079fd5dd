"""Reads the names in a client certificate that gRPC has verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from tokenwire.core.certificates import CertificateNames
from tokenwire.core.errors import CredentialsInvalid
from tokenwire.server.interceptors.base import Context

CERTIFICATE: Final = "x509_pem_cert"
"""gRPC's name of the certificate in PEM. Its names come from there and not from `peer_uri` and
`peer_dns`: those end at a null character, so that one name could pass for another."""
KNOWN_CERTIFICATES: Final = 1_024


def names_of(context: Context) -> CertificateNames | None:
    """Return the names in the certificate of a call's connection; None without one.

    gRPC asks for a certificate only to verify it, so that all of them are verified.

    Raises:
        CredentialsInvalid: The certificate has a name that is not valid.
    """
    known: Mapping[str, Iterable[bytes]] = context.auth_context()
    for certificate in known.get(CERTIFICATE, ()):
        return _names_in(certificate)
    return None


@lru_cache(KNOWN_CERTIFICATES)
def _names_in(certificate: bytes) -> CertificateNames:
    # Imported on demand: most servers have no callers with certificates.
    from cryptography import x509  # noqa: PLC0415

    try:
        extensions = x509.load_pem_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateNames()
    except ValueError:
        raise CredentialsInvalid from None
    return CertificateNames(
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        tuple(names.get_values_for_type(x509.DNSName)),
    )
