"""The Go and Node examples, which must behave in the same way."""

import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.app import Stub
from support.helpers import collect, text_of
from support.programs import ROOT, Outcome, finished, run, started
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2
from tokenwire_demo import DemoUpstream

# The first test includes the compilation of the Go example.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

GO = ROOT / "examples" / "go"
NODE = ROOT / "examples" / "node"


@dataclass(frozen=True)
class Example:
    """The command of one example, and the status codes as its language writes them."""

    command: tuple[str | Path, ...]
    timeout_of_a_second: str
    invalid_argument: str
    unavailable: str
    deadline_exceeded: str
    cancelled: str


def go(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the go command in the Go example, without network access."""
    env = {**os.environ, "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        ["go", *arguments],
        cwd=GO,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go example, built from the committed files only."""
    program = tmp_path_factory.mktemp("go") / "chat"
    built = go("build", "-o", program, ".")
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture(params=["go", "node"])
def example(request: pytest.FixtureRequest) -> Example:
    """Each example in turn."""
    if request.param == "go":
        return Example(
            command=(request.getfixturevalue("go_program"),),
            timeout_of_a_second="-timeout=1s",
            invalid_argument="InvalidArgument",
            unavailable="Unavailable",
            deadline_exceeded="DeadlineExceeded",
            cancelled="Canceled",
        )
    return Example(
        command=("node", NODE / "main.js"),
        timeout_of_a_second="--timeout=1",
        invalid_argument="INVALID_ARGUMENT",
        unavailable="UNAVAILABLE",
        deadline_exceeded="DEADLINE_EXCEEDED",
        cancelled="CANCELLED",
    )


async def test_prints_the_answer_and_how_it_ended(example: Example, app: App, stub: Stub) -> None:
    """The whole answer is printed to stdout; model, finish reason and usage to stderr."""
    text = "Hello, grüße, 你好"
    expected = await collect(stub.Send(chatgpt_pb2.Message(content=text)))

    done = await run(*example.command, app.address, text)

    assert done.code == 0, done.stderr
    assert done.stdout == text_of(expected) + "\n"
    last = expected[-1]
    assert done.stderr.splitlines() == [
        f"model: {last.model}",
        f"finish reason: {chatgpt_pb2.FinishReason.Name(last.finish_reason)}",
        f"usage: {last.usage.input_tokens} input tokens, {last.usage.output_tokens} output tokens",
    ]


async def test_prints_tokens_as_they_arrive_and_ctrl_c_stops_the_model(
    example: Example, app: App, upstream: DemoUpstream
) -> None:
    """Text is printed as it arrives; Ctrl-C cancels the call and the upstream request."""
    upstream.script("tokens 1; stall")

    async with started(*example.command, app.address, "Hello") as process:
        assert process.stdout is not None
        first = await process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        done = await finished(process, within=20)
        await upstream.wait_closed(upstream.connections[0])

    assert first
    assert done.code == 1
    assert done.stderr.startswith(f"{example.cancelled}: ")
    assert upstream.requests[0].outcome == "client gone"


async def test_gives_up_at_its_deadline(example: Example, app: App, upstream: DemoUpstream) -> None:
    """An answer that does not end is cancelled at the deadline; its text so far remains."""
    upstream.script("tokens 1; stall")

    done = await run(*example.command, example.timeout_of_a_second, app.address, "Hello")

    assert done.code == 1
    assert done.stdout.strip()
    assert done.stderr.startswith(example.deadline_exceeded)


async def test_prints_the_reason_of_a_refusal(example: Example, app: App) -> None:
    """A rejected call prints its code and the service's reason, with exit code 1."""
    done = await run(*example.command, app.address, "  ")

    assert done.code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{example.invalid_argument} (EMPTY_PROMPT): ")


async def test_says_that_the_server_is_unreachable(example: Example) -> None:
    """If no server listens, the example prints UNAVAILABLE and exits with code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        done = await run(*example.command, f"127.0.0.1:{taken.getsockname()[1]}", "Hello")

    assert done.code == 1
    assert done.stderr.startswith(f"{example.unavailable}: ")


async def test_explains_its_usage(example: Example) -> None:
    """Without its two arguments, the example prints its usage and exits with code 2."""
    done = await run(*example.command, "127.0.0.1:50051")

    assert done.code == 2
    assert "usage: " in done.stderr


def test_go_vet_is_content() -> None:
    """`go vet` finds nothing in the Go example."""
    vet = go("vet", "./...")

    assert vet.returncode == 0, vet.stderr


async def test_gofmt_is_content() -> None:
    """The Go example is formatted with gofmt."""
    done = await run("gofmt", "-l", "main.go", cwd=GO)

    assert done == Outcome(0, "", "")


@pytest.mark.parametrize("script", sorted(NODE.glob("*.js")), ids=lambda path: path.name)
async def test_node_reads_the_script(script: Path) -> None:
    """Node parses every file of its example."""
    done = await run("node", "--check", script)

    assert done == Outcome(0, "", "")
