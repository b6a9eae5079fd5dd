"""Validates settings that depend on each other."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError


def require_whole_tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> None:
    """Require a certificate with its key, or neither, and both for client authorities.

    Args:
        certificate: The file of the server's certificate.
        key: The file of the server's private key.
        client_ca: The file of the authorities of client certificates.

    Raises:
        PydanticCustomError: A file is missing; the message names its variable.
    """
    if (certificate is None) != (key is None):
        given, missing = ("CERTIFICATE", "KEY") if key is None else ("KEY", "CERTIFICATE")
        raise PydanticCustomError(
            "tls",
            f"TOKENWIRE_TLS_{missing}_FILE is not set; "
            f"set it too, or unset TOKENWIRE_TLS_{given}_FILE to serve without TLS",
        )
    if client_ca is not None and certificate is None:
        raise PydanticCustomError(
            "client_ca",
            "TOKENWIRE_TLS_CLIENT_CA_FILE is set, but the server has no TLS; set "
            "TOKENWIRE_TLS_CERTIFICATE_FILE and TOKENWIRE_TLS_KEY_FILE, or unset it",
        )


def require_one_credential(base_url: str, *, key_is_set: bool) -> None:
    """Require that at most one of the upstream's URL and its key has credentials.

    Raises:
        PydanticCustomError: Both have credentials.
    """
    parts = urlsplit(base_url)
    if key_is_set and (parts.username or parts.password):
        raise PydanticCustomError(
            "credentials",
            "OPENAI_BASE_URL has a user or password, and OPENAI_API_KEY is set too; only one "
            "of them can be sent: remove the other",
        )


def require_no_fragment(base_url: str) -> None:
    """Require that the upstream's URL has no fragment, which HTTP never sends.

    Raises:
        PydanticCustomError: The URL has a fragment.
    """
    if urlsplit(base_url).fragment:
        raise PydanticCustomError(
            "fragment", "OPENAI_BASE_URL has a fragment (`#...`), which is never sent; remove it"
        )


def require_room_for_a_request(largest: int, in_flight: int) -> None:
    """Require that one request of the largest size fits into the limit of all requests.

    Args:
        largest: The most bytes of one request.
        in_flight: The most bytes of all requests in flight.

    Raises:
        PydanticCustomError: The largest request would never be accepted.
    """
    if largest > in_flight:
        raise PydanticCustomError(
            "request_bytes",
            "TOKENWIRE_MAX_REQUEST_BYTES_IN_FLIGHT is below TOKENWIRE_MAX_REQUEST_BYTES, so that "
            "the largest requests would never be accepted; raise the former or lower the latter",
        )


def require_unset(variable: str, *, is_set: bool, beside: str) -> None:
    """Require that a setting is not set where it has no effect.

    Args:
        variable: The setting's environment variable.
        is_set: Whether it is set.
        beside: The setting beside which it has no effect.

    Raises:
        PydanticCustomError: It is set; the message names both.
    """
    if is_set:
        raise PydanticCustomError("no_effect", f"{variable} has no effect with {beside}; unset it")
