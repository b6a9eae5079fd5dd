"""The command line: its output and its exit codes."""

import asyncio
import signal
import socket
from collections.abc import Iterator

import pytest

from support.process import FREE_PORTS, TOKENWIRE, run_tokenwire
from tokenwire import __version__
from tokenwire.__main__ import COMMANDS
from tokenwire.cli import _demonstration, serve
from tokenwire.config import Settings
from tokenwire.process import serving
from tokenwire_demo import DemoUpstream

NAMES = [command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS]

CREDENTIALS = {
    "OPENAI_API_KEY": "sk-canary-4711",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    "OPENAI_ORG_ID": "canary-organisation",
    "OPENAI_PROJECT_ID": "canary-project",
    "TOKENWIRE_PROVIDER": "canary-provider",
    "TOKENWIRE_PROXY": "http://127.0.0.1:1/canary-proxy",
    "TOKENWIRE_MODEL": "canary-model",
}


@pytest.fixture
def taken_address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_the_version_is_told() -> None:
    """`tokenwire --version` prints the version and exits with 0."""
    finished = await run_tokenwire("--version")
    assert (finished.code, finished.stdout) == (0, f"tokenwire {__version__}\n")


async def test_help_lists_every_command() -> None:
    """`tokenwire --help` names every command and exits with 0."""
    finished = await run_tokenwire("--help")
    assert finished.code == 0
    for name in NAMES:
        assert f"    {name}" in finished.stdout.split("commands:")[1]


@pytest.mark.parametrize("name", NAMES)
async def test_every_command_has_help(name: str) -> None:
    """`tokenwire COMMAND --help` describes the command and exits with 0."""
    finished = await run_tokenwire(name, "--help")
    assert finished.code == 0
    assert finished.stdout.startswith(f"usage: tokenwire {name} ")


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("serve", "--nonsense")])
async def test_bad_arguments_are_2(arguments: tuple[str, ...]) -> None:
    """A missing or unknown command or an unknown option prints a usage line and exits with 2."""
    finished = await run_tokenwire(*arguments)
    assert finished.code == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("usage: tokenwire")


async def test_bad_settings_are_2_and_a_line_each() -> None:
    """Stderr contains one line for each invalid setting, and nothing else."""
    env = {**FREE_PORTS, "TOKENWIRE_MAX_STREAMS": "lots", "TOKENWIRE_LOG_LEVEL": "loud"}
    finished = await run_tokenwire("serve", env=env)
    lines = finished.stderr.splitlines()
    assert finished.code == 2
    assert [line.partition("=")[0] for line in lines] == [
        "tokenwire: TOKENWIRE_MAX_STREAMS",
        "tokenwire: TOKENWIRE_LOG_LEVEL",
    ]


async def test_a_missing_key_is_2_and_a_line() -> None:
    """If no upstream is configured, one line explains what to set."""
    finished = await run_tokenwire("serve", env=FREE_PORTS)
    [line] = finished.stderr.splitlines()
    assert finished.code == 2
    assert line.startswith("tokenwire: OPENAI_API_KEY is not set")


async def test_bad_settings_of_the_demo_are_2_and_a_line() -> None:
    """`tokenwire demo` reports an invalid setting as `tokenwire serve` does."""
    finished = await run_tokenwire("demo", env={"TOKENWIRE_TEMPERATURE": "hot"})
    [line] = finished.stderr.splitlines()
    assert finished.code == 2
    assert line.startswith("tokenwire: TOKENWIRE_TEMPERATURE=hot: ")


@pytest.mark.parametrize("variable", FREE_PORTS)
async def test_a_port_in_use_is_2_and_a_line(taken_address: str, variable: str) -> None:
    """If a port is in use, the server does not start, and one line names the setting."""
    env = {**FREE_PORTS, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1", variable: taken_address}
    finished = await run_tokenwire("serve", env=env)
    assert finished.code == 2
    assert finished.stderr == (
        f"tokenwire: {variable}={taken_address}: cannot listen there; is the port in use?\n"
    )


async def test_the_demo_shows_it_all() -> None:
    """`tokenwire demo` shows health, a streamed answer and metrics, and exits with 0."""
    finished = await run_tokenwire("demo", env=CREDENTIALS)
    assert finished.code == 0
    assert finished.stderr == ""
    assert "health: SERVING\n" in finished.stdout
    assert "This is tokenwire's built-in demo model" in finished.stdout
    assert '  grpc_server_handled_total{grpc_code="OK"' in finished.stdout
    assert finished.stdout.endswith("stopped cleanly\n")
    assert "canary" not in finished.stdout


async def test_ctrl_c_ends_the_demo() -> None:
    """Ctrl-C during `tokenwire demo` ends it with exit code 130 and no traceback."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*TOKENWIRE, "demo", stdout=pipe, stderr=pipe)
    try:
        assert process.stdout is not None
        await process.stdout.readuntil(b"> ")
        process.send_signal(signal.SIGINT)
        _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, stderr) == (130, b"")


async def test_the_demo_sends_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for a real upstream are not sent to the simulator."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    started: list[DemoUpstream] = []

    class Recorded(DemoUpstream):
        async def start(self) -> None:
            started.append(self)
            await super().start()

    monkeypatch.setattr(_demonstration, "DemoUpstream", Recorded)
    assert await _demonstration.run_demo() == 0
    [upstream] = started
    [request] = upstream.requests
    assert "authorization" not in request.headers
    assert "canary" not in repr(request)


async def test_serving_the_demo_takes_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve --demo` uses the simulator as its upstream and ignores all credentials."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    served: list[Settings] = []

    async def record(loaded: Settings) -> int:
        served.append(loaded)
        return 0

    monkeypatch.setattr(serving, "serve", record)
    monkeypatch.setattr("tokenwire.observability.logs.configure", lambda _: None)
    monkeypatch.setattr("tokenwire.observability.logs.hooks.install", lambda: None)
    # So that the change is undone after the test.
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    assert await serve._serve_demo() == 0
    [loaded] = served
    everything = {name: str(value) for name, value in loaded.model_dump().items()}
    assert loaded.api_key is None
    assert "canary" not in repr(everything)
