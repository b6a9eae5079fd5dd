"""Settings that need each other."""

from pathlib import Path

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
