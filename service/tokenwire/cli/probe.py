import argparse
import enum
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from tokenwire.cli._connection import (
    add_connection_options,
    channel_options,
    credentials,
    seconds,
    silence_grpc,
)
from tokenwire.cli._diagnosis import diagnose
from tokenwire.cli._streams import allow_interrupts
from tokenwire.cli._text import printable_line
from tokenwire.cli._values import unicode

if TYPE_CHECKING:
    import grpc


class Exit(enum.IntEnum):
    """The exit codes, equal to those of grpc_health_probe."""

    SERVING = 0
    BAD_ARGUMENTS = 1
    CONNECTION_FAILURE = 2
    RPC_FAILURE = 3
    NOT_SERVING = 4


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `probe`."""
    parser = subparsers.add_parser(
        "probe",
        help="ask a server whether it is healthy",
        description="Ask a server through grpc.health.v1 whether it, or one service, is serving.",
        epilog=(
            "exit codes, as those of grpc_health_probe:\n"
            "  0  serving\n"
            "  1  bad arguments\n"
            "  2  no connection within --connect-timeout\n"
            "  3  the health check failed: no answer within --rpc-timeout,\n"
            "     unknown service, or no health checks there\n"
            "  4  not serving"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # argparse gives all subcommands the parser class of the whole program.
    parser.__class__ = _ProbeParser
    add_connection_options(parser)
    parser.add_argument(
        "--service",
        type=unicode,
        default="",
        metavar="NAME",
        help="the full name of a gRPC service, such as openai.Chatgpt (default: the whole server)",
    )
    parser.add_argument(
        "--connect-timeout",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="how long to wait for the connection (default: 1)",
    )
    parser.add_argument(
        "--rpc-timeout",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="how long to wait for the answer once connected (default: 1)",
    )
    parser.set_defaults(run=run)


class _ProbeParser(argparse.ArgumentParser):
    """Ends with exit code 1 where argparse ends with 2, which means "no connection" here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.BAD_ARGUMENTS, f"{self.prog}: error: {message}\n")

    def parse_known_args(  # type: ignore[override] # argparse's own is overloaded for namespaces of any type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        # Otherwise the program's parser would report what is left over, with its own code.
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def run(args: argparse.Namespace) -> int:
    """Probe the server and return the exit code."""
    silence_grpc()
    # Here, so that other subcommands and --help start without gRPC.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    allow_interrupts()
    with _open_channel(args) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=args.connect_timeout)
        except grpc.FutureTimeoutError:
            limit = f"{args.connect_timeout:g} s"
            _complain(
                f"timeout: failed to connect to {args.address} within {limit}: {diagnose(args)}"
            )
            return Exit.CONNECTION_FAILURE
        request = health_pb2.HealthCheckRequest(service=args.service)
        try:
            # The type stubs do not know its methods.
            stub: Any = health_pb2_grpc.HealthStub(channel)
            response = stub.Check(request, timeout=args.rpc_timeout)
        except grpc.RpcError as error:
            _complain(_describe(error, args))
            return Exit.RPC_FAILURE
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    if response.status != health_pb2.HealthCheckResponse.SERVING:
        _complain(f'service unhealthy (responded with "{name}")')
        return Exit.NOT_SERVING
    print(f"status: {name}")
    return Exit.SERVING


def _open_channel(args: argparse.Namespace) -> "grpc.Channel":
    import grpc  # noqa: PLC0415 - see run

    from tokenwire_client.channel import proxy_options  # noqa: PLC0415 - see run

    # A server may begin to listen within --connect-timeout, so try often.
    options: list[tuple[str, str | int]] = [
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 200),
        *proxy_options(args.address).items(),
        *channel_options(args),
    ]
    secret = credentials(args)
    if secret is None:
        return grpc.insecure_channel(args.address, options)
    return grpc.secure_channel(args.address, secret, options)


def _describe(error: "grpc.RpcError", args: argparse.Namespace) -> str:
    match error.code().name:
        case "UNIMPLEMENTED":
            return "error: this server does not implement grpc.health.v1.Health"
        case "NOT_FOUND":
            return f"error: this server does not know the service {args.service!r}"
        case "DEADLINE_EXCEEDED":
            return f"timeout: the health check did not complete within {args.rpc_timeout:g} s"
        case code:
            return f"error: the health check failed: {code}: {printable_line(error.details())}"


def _complain(line: str) -> None:
    print(line, file=sys.stderr)
