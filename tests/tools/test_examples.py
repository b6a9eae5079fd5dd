"""The examples that stream an answer, which must behave in the same way in each language."""

import signal
import socket
from pathlib import Path

import pytest

from support.app import Stub
from support.examples import GO, NODE, Examples, go
from support.helpers import collect, text_of
from support.programs import Outcome, finished, run, started
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2
from tokenwire_demo import DemoUpstream

# The first test includes the compilation of the Go examples.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

# The example in Java leaves Ctrl-C to the JVM, and has no option.
with_signals_and_options = pytest.mark.parametrize("examples", ["go", "node"], indirect=True)


async def test_prints_the_answer_and_how_it_ended(examples: Examples, app: App, stub: Stub) -> None:
    """The whole answer is printed to stdout; model, finish reason and usage to stderr."""
    text = "Hello, grüße, 你好"
    expected = await collect(stub.Send(chatgpt_pb2.Message(content=text)))

    done = await run(*examples.program("chat"), app.address, text)

    assert done.code == 0, done.stderr
    assert done.stdout == text_of(expected) + "\n"
    last = expected[-1]
    assert done.stderr.splitlines() == [
        f"model: {last.model}",
        f"finish reason: {chatgpt_pb2.FinishReason.Name(last.finish_reason)}",
        f"usage: {last.usage.input_tokens} input tokens, {last.usage.output_tokens} output tokens",
    ]


@with_signals_and_options
async def test_prints_tokens_as_they_arrive_and_ctrl_c_stops_the_model(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """Text is printed as it arrives; Ctrl-C cancels the call and the upstream request."""
    upstream.script("tokens 1; stall")

    async with started(*examples.program("chat"), app.address, "Hello") as process:
        assert process.stdout is not None
        first = await process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        done = await finished(process, within=20)
        await upstream.wait_closed(upstream.connections[0])

    assert first
    assert done.code == 1
    assert done.stderr.startswith(f"{examples.cancelled}: ")
    assert upstream.requests[0].outcome == "client gone"


@with_signals_and_options
async def test_gives_up_at_its_deadline(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """An answer that does not end is cancelled at the deadline; its text so far remains."""
    upstream.script("tokens 1; stall")

    done = await run(*examples.program("chat"), examples.short_timeout, app.address, "Hello")

    assert done.code == 1
    assert done.stdout.strip()
    assert done.stderr.startswith(examples.deadline_exceeded)


async def test_prints_the_reason_of_a_refusal(examples: Examples, app: App) -> None:
    """A rejected call prints its code and the service's reason, with exit code 1."""
    done = await run(*examples.program("chat"), app.address, "  ")

    assert done.code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{examples.invalid_argument} (EMPTY_PROMPT): ")


async def test_says_that_the_server_is_unreachable(examples: Examples) -> None:
    """If no server listens, the example prints UNAVAILABLE and exits with code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        done = await run(*examples.program("chat"), f"127.0.0.1:{taken.getsockname()[1]}", "Hello")

    assert done.code == 1
    assert done.stderr.startswith(f"{examples.unavailable}: ")


async def test_explains_its_usage(examples: Examples) -> None:
    """Without its two arguments, the example prints its usage and exits with code 2."""
    done = await run(*examples.program("chat"), "127.0.0.1:50051")

    assert done.code == 2
    assert "usage: " in done.stderr


def test_go_vet_is_content() -> None:
    """`go vet` finds nothing in the Go examples."""
    vet = go("vet", "./...")

    assert vet.returncode == 0, vet.stderr


async def test_gofmt_is_content() -> None:
    """The Go examples are formatted with gofmt."""
    done = await run("gofmt", "-l", ".", cwd=GO)

    assert done == Outcome(0, "", "")


@pytest.mark.parametrize("script", sorted(NODE.glob("*.js")), ids=lambda path: path.name)
async def test_node_reads_the_script(script: Path) -> None:
    """Node parses every file of its examples."""
    done = await run("node", "--check", script)

    assert done == Outcome(0, "", "")
