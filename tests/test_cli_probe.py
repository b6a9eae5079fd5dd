import argparse
import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.command_line import TOKENWIRE, Finished, run, run_here, start
from support.listening import listening
from support.scripted_server import ScriptedServer, says
from tokenwire.cli.probe import add_parser

TLS = Path(__file__).parent / "tls"


# Later options override these; the long timeouts prevent failures on a busy machine.
PROBE = (*TOKENWIRE, "probe", "--connect-timeout", "30", "--rpc-timeout", "30")


async def probe(*options: str) -> Finished:
    return await run(*PROBE, *options)


async def test_serving_is_0() -> None:
    """For a serving server the exit code is 0 and the status is on stdout."""
    async with ScriptedServer(says()) as server:
        finished = await probe("--address", server.address)
    assert finished == Finished(0, "status: SERVING\n", "")


async def test_accepts_the_flags_of_grpc_health_probe() -> None:
    """The long flags of grpc_health_probe have the same meaning."""
    async with ScriptedServer(says()) as server:
        finished = await probe(
            f"--addr={server.address}",
            "--service=openai.Chatgpt",
            "--connect-timeout=30s",
            "--rpc-timeout=30000ms",
        )
    assert finished.code == 0


async def test_not_serving_is_4() -> None:
    """For a service that is not serving the exit code is 4, with one line on stderr."""
    async with ScriptedServer(says()) as server:
        await server.health.set("openai.Chatgpt", health_pb2.HealthCheckResponse.NOT_SERVING)
        finished = await probe("--address", server.address, "--service", "openai.Chatgpt")
    assert finished == Finished(4, "", 'service unhealthy (responded with "NOT_SERVING")\n')


async def test_unknown_service_is_3() -> None:
    """For a service that the server does not know the exit code is 3."""
    async with ScriptedServer(says()) as server:
        finished = await probe("--address", server.address, "--service", "no.Such")
    assert finished == Finished(3, "", "error: this server does not know the service 'no.Such'\n")


async def serve(add: Any = None) -> tuple[grpc.aio.Server, str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    if add is not None:
        add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"


async def test_server_without_health_checks_is_3() -> None:
    """For a server without health checks the exit code is 3."""
    server, address = await serve()
    finished = await probe("--address", address)
    await server.stop(None)
    assert finished.code == 3
    assert finished.stderr == "error: this server does not implement grpc.health.v1.Health\n"


async def test_silent_health_check_is_3() -> None:
    """For a health check that is not answered in time the exit code is 3."""

    class Silent(health_pb2_grpc.HealthServicer):
        async def Check(self, _request: Any, _context: Any) -> None:  # noqa: N802 - the contract's
            await asyncio.Event().wait()

    server, address = await serve(
        lambda server: health_pb2_grpc.add_HealthServicer_to_server(Silent(), server)
    )
    finished = await probe("--address", address, "--rpc-timeout", "0.1")
    await server.stop(None)
    assert finished == Finished(3, "", "timeout: the health check did not complete within 0.1 s\n")


async def test_refused_connection_is_2() -> None:
    """If nothing listens the exit code is 2, with one line on stderr."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    finished = await probe("--address", f"127.0.0.1:{port}", "--connect-timeout", "0.3")
    assert (finished.code, finished.stdout) == (2, "")
    [line] = finished.stderr.splitlines()
    assert line.startswith(f"timeout: failed to connect to 127.0.0.1:{port} within 0.3 s: is a ")


async def test_frozen_server_is_2() -> None:
    """For a server that accepts connections but never responds the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        finished = await probe("--address", f"127.0.0.1:{port}", "--connect-timeout", "0.3")
    assert finished.code == 2


async def test_waits_for_a_server_that_starts() -> None:
    """The probe connects to a server that starts while it is trying."""
    tried = asyncio.Event()

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.set()
        writer.transport.abort()

    async with listening(refuse) as (host, port):
        address = f"{host}:{port}"
        process = await start(*PROBE, "--address", address)
        await tried.wait()
    async with ScriptedServer(says(), address=address):
        stdout, _ = await process.communicate()
    assert (process.returncode, stdout) == (0, b"status: SERVING\n")


BAD_ARGUMENTS = [
    (["--no-such-flag"], "unrecognized arguments: --no-such-flag"),
    (["surplus"], "unrecognized arguments: surplus"),
    (["--rpc-timeout", "0"], "'0' is not a duration above zero"),
    (["--connect-timeout", "soon"], "'soon' is not a duration above zero"),
    (["--address", "localhost"], "'localhost' has no port"),
    (["--address"], "expected one argument"),
    (["--ca", "no-such-file"], "cannot read 'no-such-file': No such file or directory"),
    (["--ca", "/dev/zero"], "cannot read '/dev/zero': Not a regular file"),
    (["--address", "\udcff:1"], "not valid UTF-8 at byte 0"),
    (["--service", "\udcff"], "not valid UTF-8 at byte 0"),
    (["--server-name", "\udcff"], "not valid UTF-8 at byte 0"),
    (["--ca", "\udcff"], "not valid UTF-8 at byte 0"),
    (["--ca", __file__], "contains no PEM certificate"),
    (["--cert", str(TLS / "cert.pem")], "expected 2 arguments"),
    (["--cert", str(TLS / "key.pem"), str(TLS / "key.pem")], "contains no PEM certificate"),
    (["--cert", str(TLS / "cert.pem"), str(TLS / "cert.pem")], "contains no PEM private key"),
    (["--cert", str(TLS / "cert.pem"), "no-such-file"], "cannot read 'no-such-file'"),
]


def test_bad_arguments_are_1(capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests) -> None:
    """For an invalid flag or value the exit code is 1, and the last line describes the error."""
    for options, complaint in BAD_ARGUMENTS:
        with subtests.test(options=options):
            finished = run_here(capsys, "probe", *options)
            assert finished.code == 1
            assert complaint in finished.stderr.splitlines()[-1]


async def test_bad_arguments_end_the_program_with_1() -> None:
    """The program ends with exit code 1."""
    options, complaint = BAD_ARGUMENTS[0]
    finished = await probe(*options)
    assert finished.code == 1
    assert complaint in finished.stderr


async def test_help_lists_the_exit_codes() -> None:
    """--help ends with exit code 0 and explains every exit code."""
    finished = await probe("--help")
    assert finished.code == 0
    for line in ("  0  serving", "  1  bad", "  2  no conn", "  3  the health", "  4  not serving"):
        assert line in finished.stdout


async def test_tls_with_a_private_authority() -> None:
    """--ca connects over TLS to a server whose certificate the file verifies."""
    certificate = (TLS / "cert.pem").read_bytes()
    secret = grpc.ssl_server_credentials([((TLS / "key.pem").read_bytes(), certificate)])
    async with ScriptedServer(says(), credentials=secret) as server:
        trusting = await probe("--address", server.address, "--ca", str(TLS / "cert.pem"))
        short = ("--connect-timeout", "0.3", "--address", server.address)
        public = await probe(*short, "--tls")
        plain = await probe(*short)
    assert trusting == Finished(0, "status: SERVING\n", "")
    assert public.code == 2
    assert len(public.stderr.splitlines()) == 1
    assert plain.code == 2


def test_timeouts_are_one_second_by_default() -> None:
    """By default the probe waits one second for each step, as grpc_health_probe does."""
    subparsers = argparse.ArgumentParser().add_subparsers()
    add_parser(subparsers)
    args = subparsers.choices["probe"].parse_args([])
    assert (args.connect_timeout, args.rpc_timeout, args.service) == (1, 1, "")


def test_parsers_load_no_grpc() -> None:
    """Adding the subcommands to the command line does not load gRPC."""
    program = "import sys, tokenwire.cli.chat, tokenwire.cli.probe; sys.exit('grpc' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
