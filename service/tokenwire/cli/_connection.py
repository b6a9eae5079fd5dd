"""The connection options of subcommands that call a server. Imports gRPC only on use."""

import argparse
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenwire.cli._values import unicode

if TYPE_CHECKING:
    import grpc

DEFAULT_ADDRESS = "127.0.0.1:50051"
MAX_PORT = 65_535
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0}


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the server's address and TLS."""
    parser.add_argument(
        "--address",
        "--addr",
        type=address,
        default=DEFAULT_ADDRESS,
        metavar="HOST:PORT",
        help="the server, or any gRPC target such as dns:///host:port (default: %(default)s)",
    )
    parser.add_argument("--tls", action="store_true", help="use TLS; plaintext without it")
    parser.add_argument(
        "--ca",
        type=certificates,
        metavar="FILE",
        help="trust the certificates in this PEM file instead of the public ones; implies --tls",
    )
    parser.add_argument(
        "--cert",
        nargs=2,
        action=_CertificatePairAction,
        metavar=("FILE", "KEYFILE"),
        help="authenticate with the client certificate in the first PEM file and the private key "
        "in the second; implies --tls",
    )
    parser.add_argument(
        "--server-name",
        type=unicode,
        metavar="NAME",
        help="the name in the server's certificate, if it is not the address's; implies --tls",
    )


def address(text: str) -> str:
    """Validate a server's address; `:PORT` means localhost, as in Go's tools."""
    unicode(text)
    if text.startswith(":"):
        return f"localhost{text}"
    if ":" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} has no port; write HOST:PORT")
    return text


def metrics_address(text: str) -> str:
    """Validate the address of a server's metrics port; `:PORT` means localhost."""
    found = address(text)
    host, _, port = found.rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT with a port from 1 to {MAX_PORT}"
        )
    return found


def seconds(text: str) -> float:
    """Parse a positive duration and return it in seconds.

    The number may have the unit ms, s or m; the default is s.
    """
    match = re.fullmatch(r"([0-9.]+)(ms|s|m|)", text)
    try:
        value = float(match[1]) * _UNITS[match[2]] if match else math.nan
    except ValueError:
        value = math.nan
    if not value > 0 or math.isinf(value):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration above zero; write seconds such as 2 or 0.5, or 500ms"
        )
    return value


def certificates(path: str) -> bytes:
    """Return the content of a PEM file of certificates."""
    return _read_pem(path, "-----BEGIN CERTIFICATE-----", "certificate")


class _CertificatePairAction(argparse.Action):
    """An argparse action that reads the PEM files of a certificate and its private key."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        certificate, key = list(values or ())
        try:
            pair = (certificates(certificate), _read_pem(key, "PRIVATE KEY-----", "private key"))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        setattr(namespace, self.dest, pair)


def _read_pem(path: str, mark: str, content: str) -> bytes:
    from tokenwire.config.regular_files import read_regular  # noqa: PLC0415 - takes time to load

    try:
        pem = read_regular(Path(unicode(path)))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {path!r}: {error.strerror}") from None
    if mark.encode() not in pem:
        raise argparse.ArgumentTypeError(f"{path!r} contains no PEM {content}")
    return pem


def credentials(args: argparse.Namespace) -> "grpc.ChannelCredentials | None":
    """Return the TLS credentials that the options describe, or None for plaintext."""
    import grpc  # noqa: PLC0415 - other subcommands and --help start without it

    if args.tls or args.ca or args.cert or args.server_name:
        certificate, key = args.cert or (None, None)
        return grpc.ssl_channel_credentials(args.ca, key, certificate)
    return None


def channel_options(args: argparse.Namespace) -> list[tuple[str, str | int]]:
    """Return the gRPC channel options that the command's options require."""
    if args.server_name:
        return [("grpc.ssl_target_name_override", args.server_name)]
    return []


def silence_grpc() -> None:
    """Disable gRPC Core's log unless GRPC_VERBOSITY is set; call this before importing grpc."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
