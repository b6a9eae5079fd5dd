"""Diagnoses why a server cannot be reached, by a second connection without gRPC.

gRPC reports the cause only as text that differs between versions; `ssl` has error codes.
"""

import argparse
import socket
import ssl
from typing import Final

CONNECT_SECONDS: Final = 2.0
"""The timeout of the second connection."""
HOSTNAME_MISMATCH: Final = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
EXPIRED: Final = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED."""
START_HINT: Final = 'start one with "tokenwire serve --demo", or name another with --address'


def diagnose(args: argparse.Namespace) -> str:
    """Return one sentence on why the server cannot be reached.

    Args:
        args: The parsed options of `add_connection_options`.

    Returns:
        The cause and the option to change; if the cause is unknown, the question whether a
        server is running at the address.
    """
    question = f"is a tokenwire server running at {args.address}? {START_HINT.capitalize()}"
    host, port = _split(args.address)
    if not port:
        return question
    wants_tls = bool(args.tls or args.ca or args.cert or args.server_name)
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            if wants_tls:
                return _diagnose_tls(connection, args, host) or question
            return _diagnose_plaintext(connection, args.address) or question
    except socket.gaierror:
        return f"the name {host!r} cannot be resolved; check --address"
    except TimeoutError:
        return f"{args.address} does not answer; check --address, and firewalls on the way"
    except OSError:
        return question


def _split(address: str) -> tuple[str, int]:
    """Return the host and port of a gRPC target, or port 0 if the target has none."""
    rest = address.removeprefix("dns:///").removeprefix("dns:")
    host, _, port = rest.rpartition(":")
    is_number = port.isascii() and port.isdecimal()
    return (host.strip("[]"), int(port)) if host and "/" not in host and is_number else ("", 0)


def _diagnose_plaintext(connection: socket.socket, address: str) -> str | None:
    """Return a sentence if the server speaks TLS and the options ask for plaintext."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Safe without verification: this only detects the protocol, and sends no data.
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(connection):
            pass
    except OSError:
        return None
    return f"the server at {address} speaks TLS; add --tls, or --ca FILE for a private authority"


def _diagnose_tls(connection: socket.socket, args: argparse.Namespace, host: str) -> str | None:
    """Return a sentence on why the TLS handshake fails, or None if it succeeds."""
    context = ssl.create_default_context(cadata=args.ca.decode("latin-1") if args.ca else None)
    # As in gRPC, a certificate that is itself trusted needs no issuer.
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    name = args.server_name or host
    try:
        with context.wrap_socket(connection, server_hostname=name) as secure:
            # With TLS 1.3, a server rejects a client certificate only after the handshake.
            refused = not _first_byte(secure)
    except ssl.SSLCertVerificationError as error:
        return _diagnose_certificate(error.verify_code, name)
    except ssl.SSLError as error:
        if error.reason in {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"}:
            return (
                f"the server at {args.address} speaks plaintext; leave --tls, --ca and --cert out"
            )
        return f"the TLS handshake failed ({error.reason or 'no reason given'})"
    if refused and args.cert:
        return "the server requires a client certificate, and rejects the one of --cert"
    if refused:
        return "the server asks for a client's certificate; add --cert FILE KEYFILE"
    return None


def _first_byte(secure: ssl.SSLSocket) -> bytes:
    """Return the first byte from the server, or nothing if it closes the connection.

    With HTTP/2 the server sends its settings without waiting for the client.
    """
    try:
        return secure.recv(1)
    except OSError:
        return b""


def _diagnose_certificate(code: int, name: str) -> str:
    if code in HOSTNAME_MISMATCH:
        return (
            f"the server's certificate is not for {name!r}; "
            "check --address, or give the name in the certificate with --server-name"
        )
    if code == EXPIRED:
        return "the server's certificate has expired; it has to be replaced on the server"
    return (
        "the server's certificate is not signed by an authority that is trusted here; "
        "give the authority's certificate with --ca FILE"
    )
