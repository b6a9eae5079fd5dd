"""Settings that need each other."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError


def require_whole_tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> None:
    """Require a certificate and its key, or neither; callers' authorities only with both.

    Raises:
        PydanticCustomError: One of them is missing; the message names it.
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
    """Require that the upstream's URL and its key do not both say who asks.

    Raises:
        PydanticCustomError: They do.
    """
    parts = urlsplit(base_url)
    if key_is_set and (parts.username or parts.password):
        raise PydanticCustomError(
            "credentials",
            "OPENAI_BASE_URL has a user or password, and OPENAI_API_KEY is set too; only one "
            "of them can be sent: remove the other",
        )


def require_no_fragment(base_url: str) -> None:
    """Require that all of the upstream's URL can be sent.

    Raises:
        PydanticCustomError: It has a fragment.
    """
    if urlsplit(base_url).fragment:
        raise PydanticCustomError(
            "fragment", "OPENAI_BASE_URL has a fragment (`#...`), which is never sent; remove it"
        )


def require_room_for_a_request(largest: int, in_flight: int) -> None:
    """Require that the largest request in bytes fits into those of all calls.

    Raises:
        PydanticCustomError: It would never be accepted.
    """
    if largest > in_flight:
        raise PydanticCustomError(
            "request_bytes",
            "TOKENWIRE_MAX_REQUEST_BYTES_IN_FLIGHT is below TOKENWIRE_MAX_REQUEST_BYTES, so that "
            "the largest requests would never be accepted; raise the former or lower the latter",
        )
