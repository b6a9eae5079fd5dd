"""Commands that have no reader, are interrupted, or start in an unusual environment."""

import asyncio
import os
import shlex
import signal
import sys
from contextlib import suppress

import pytest

from support.command_line import CTRL_C, TOKENWIRE, Finished, Terminal, run, start
from support.process import FREE_PORTS
from support.scripted_server import ScriptedServer, says

pytestmark = pytest.mark.slow

PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "grpc_proxy")
DEAD_PROXY = dict.fromkeys(PROXIES, "http://127.0.0.1:1")
INTERRUPTED_IMPORT = """
import signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["tokenwire", *{arguments!r}]
from tokenwire.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "arguments",
    ["demo", "--help", "serve --help", "demo-upstream --list-scenarios"],
)
async def test_a_reader_that_leaves(arguments: str) -> None:
    """If the reader of stdout leaves early, a command ends without output on stderr."""
    command = shlex.join([*TOKENWIRE, *arguments.split()])
    finished = await run("sh", "-c", f"{command} | head -c 1")
    assert (finished.code, finished.stderr) == (0, "")
    assert len(finished.stdout) == 1


async def test_a_full_disk() -> None:
    """If the disk is full, the exit code is 1 and one line is on stderr."""
    finished = await run("sh", "-c", f"{shlex.join(TOKENWIRE)} demo > /dev/full")
    assert finished == Finished(1, "", "error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_closed_streams(closed: str) -> None:
    """A command works with any standard stream closed, and no connection reuses its descriptor."""
    finished = await run("sh", "-c", f"{shlex.join(TOKENWIRE)} demo {closed}")
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.endswith("stopped cleanly\n") == (
        ">&-" not in closed.replace("2>&-", "")
    )


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("grpc", ["demo"]),
        ("tokenwire.app", ["demo"]),
        ("grpc", ["chat", "hi"]),
        ("grpc", ["probe"]),
        ("tokenwire.app", ["serve", "--demo"]),
    ],
)
async def test_interrupt_while_starting(module: str, arguments: list[str]) -> None:
    """Ctrl-C while a command loads its modules ends it with exit code 130 and no traceback."""
    program = INTERRUPTED_IMPORT.format(module=module, arguments=arguments)
    finished = await run(sys.executable, "-c", program)
    assert finished == Finished(130, "", "")


async def test_interrupt_while_the_demo_starts_and_stops() -> None:
    """Repeated Ctrl-C ends the demo with exit code 130 and no traceback."""
    process = await start(*TOKENWIRE, "demo")
    assert process.stdout is not None
    await process.stdout.readline()
    while process.returncode is None:
        with suppress(ProcessLookupError):
            # Not send_signal: it may reap the process, and asyncio then cannot get the return code.
            os.kill(process.pid, signal.SIGINT)
        # Several times the repeat rate of a key that is held down.
        await asyncio.sleep(0.01)
    _, stderr = await process.communicate()
    # Python has no handler left during its shutdown.
    assert process.returncode in {130, -signal.SIGINT}
    assert stderr == b""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "dns:///localhost"])
async def test_loopback_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`chat` and `probe` reach this machine whatever proxy the environment sets."""
    for variable, value in DEAD_PROXY.items():
        monkeypatch.setenv(variable, value)
    async with ScriptedServer(says("near")) as server:
        address = f"{name}:{server.address.rpartition(':')[2]}"
        chat = await run(*TOKENWIRE, "chat", "--quiet", "--address", address, "hi")
        probe = await run(*TOKENWIRE, "probe", "--connect-timeout=30", "--address", address)
    assert chat == Finished(0, "near\n", "")
    assert probe == Finished(0, "status: SERVING\n", "")


async def test_the_demo_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`demo` works whatever proxy the environment sets."""
    for variable, value in DEAD_PROXY.items():
        monkeypatch.setenv(variable, value)
    finished = await run(*TOKENWIRE, "demo")
    assert (finished.code, finished.stderr) == (0, "")


async def test_an_encoding_without_the_answers_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A character that stdout's encoding cannot represent is escaped, and the answer continues."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    async with ScriptedServer(says("\N{SLIGHTLY SMILING FACE}", " ok")) as server:
        finished = await run(*TOKENWIRE, "chat", "--quiet", "--address", server.address, "hi")
    assert finished == Finished(0, f"\\U0001f642 ok{os.linesep}", "")


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
async def test_a_server_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, no_color: str, *, colored: bool
) -> None:
    """NO_COLOR disables colours in the log, and Ctrl-C explains what a second signal does."""
    env = {**FREE_PORTS, "TOKENWIRE_DRAIN_SECONDS": "0", "NO_COLOR": no_color}
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    async with Terminal(*TOKENWIRE, "serve", "--demo") as terminal:
        await terminal.expect("serving")
        terminal.type(CTRL_C)
        await terminal.expect("a second signal ends the process at once")
        assert await terminal.exit_code() == 0
    assert ("\x1b[" in terminal.screen) == colored
