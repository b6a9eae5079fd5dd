import asyncio
import os
import shlex
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from support.command_line import TOKENWIRE, Finished, Terminal, run, run_here, start
from support.scripted_server import (
    Context,
    ScriptedServer,
    bad_field,
    fails,
    hangs_after,
    reason,
    says,
)
from tokenwire_client import Answer, Effort, FinishReason, Reasoning, Usage
from tokenwire_client.v1.chatgpt_pb2 import Message, Params

TLS = Path(__file__).parent / "tls"


async def chat(server: ScriptedServer, *options: str, stdin: bytes = b"") -> Finished:
    return await run(*TOKENWIRE, "chat", "--address", server.address, *options, stdin=stdin)


async def test_stdout_is_the_pure_answer() -> None:
    """Stdout contains the answer and a final newline; statistics are one line on stderr."""
    usage = Usage(input_tokens=12, output_tokens=3, cached_input_tokens=8, reasoning_tokens=1)
    async with ScriptedServer(says("Grüß", " dich", usage=usage)) as server:
        finished = await chat(server, "hi")
    assert (finished.code, finished.stdout) == (0, "Grüß dich\n")
    [line] = finished.stderr.splitlines()
    assert line.startswith("first token after ")
    assert line.endswith(" tokens/s, 12 tokens in (8 cached), 3 out (1 reasoning)")


async def test_adds_no_second_newline() -> None:
    """An answer that ends with a newline is printed as it is."""
    async with ScriptedServer(says("a\n\n")) as server:
        finished = await chat(server, "hi", "--quiet")
    assert finished == Finished(0, "a\n\n", "")


async def test_says_what_was_not_reported() -> None:
    """Usage that the upstream does not report is shown as not reported."""
    async with ScriptedServer(says("a", "b")) as server:
        finished = await chat(server, "hi")
    assert finished.stderr.endswith(" pieces/s, usage not reported\n")


async def test_names_an_unusual_finish_reason() -> None:
    """The statistics end with the finish reason if it is not STOP."""
    script = says("a", finish_reason=FinishReason.FINISH_REASON_LENGTH)
    async with ScriptedServer(script) as server:
        finished = await chat(server, "hi")
    assert finished.stderr.endswith(", finish reason LENGTH\n")


async def test_empty_answer() -> None:
    """An answer without text leaves stdout empty and is reported on stderr."""
    async with ScriptedServer(says()) as server:
        finished = await chat(server, "hi")
    assert finished == Finished(0, "", "no text, usage not reported\n")


async def test_shows_pieces_as_they_arrive() -> None:
    """A piece is on stdout before the next one arrives."""
    seen = asyncio.Event()

    async def script(_request: Message, _context: Context) -> AsyncIterator[Answer]:
        yield Answer(content="first")
        await seen.wait()
        yield Answer(content=" second")

    async with ScriptedServer(script) as server:
        process = await start(*TOKENWIRE, "chat", "--address", server.address, "hi")
        assert process.stdout is not None
        assert await process.stdout.readexactly(5) == b"first"
        seen.set()
        rest, _ = await process.communicate()
    assert rest == b" second\n"


async def test_sends_its_options() -> None:
    """Each option sets its field of the request."""
    async with ScriptedServer(says()) as server:
        await chat(
            server,
            *("--model", "m", "--system", "", "--temperature", "0", "--top-p", "0.5"),
            *("--max-tokens", "9", "--stop", "x", "--stop", "y", "--seed", "-3"),
            *("--effort", "xhigh", "--think"),
            "hello",
        )
    params = Params(model="m", temperature=0, top_p=0.5, max_tokens=9, stop=["x", "y"], seed=-3)
    reasoning = Reasoning(effort=Effort.EFFORT_XHIGH, show=True)
    assert server.requests == [
        Message(content="hello", system="", params=params, reasoning=reasoning)
    ]


async def reasons(_request: Message, _context: Context) -> AsyncIterator[Answer]:
    """Answer with reasoning before the text and within it."""
    for part in (
        Answer(reasoning="hm "),
        Answer(reasoning="so\x1b"),
        Answer(content="4"),
        Answer(reasoning="check"),
        Answer(content="2"),
        Answer(finish_reason=FinishReason.FINISH_REASON_STOP),
    ):
        yield part


async def test_reasoning_is_not_the_answer() -> None:
    """Reasoning is printed to stderr on separate lines; stdout contains only the answer."""
    async with ScriptedServer(reasons) as server:
        finished = await chat(server, "hi", "--think", "--quiet")
    assert finished == Finished(0, "42\n", "hm so\\x1b\n\ncheck\n")


@pytest.mark.parametrize(("no_color", "shown"), [("", "\x1b[2mhm \x1b[0m"), ("1", "hm so")])
async def test_reasoning_is_dimmed_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, no_color: str, shown: str
) -> None:
    """On a terminal the reasoning is dim, unless NO_COLOR is set."""
    monkeypatch.setenv("NO_COLOR", no_color)
    async with ScriptedServer(reasons) as server:
        command = (*TOKENWIRE, "chat", "--address", server.address, "hi", "--think")
        async with Terminal(*command) as terminal:
            await terminal.expect(shown)
            await terminal.expect("2\n")


@pytest.mark.parametrize("text", [[], ["-"]], ids=["no TEXT", "-"])
async def test_reads_the_message_from_stdin(text: list[str]) -> None:
    """Without TEXT, or with -, the message is stdin without its last newline."""
    async with ScriptedServer(says()) as server:
        await chat(server, *text, stdin="zwölf\nBoxkämpfer\n".encode())
    assert [request.content for request in server.requests] == ["zwölf\nBoxkämpfer"]


async def test_stdin_that_is_no_text() -> None:
    """Stdin that is not UTF-8 fails with exit code 1 and its position; nothing is sent."""
    async with ScriptedServer(says()) as server:
        finished = await chat(server, stdin=b"ab\xff")
    assert finished == Finished(1, "", "error: stdin is not valid UTF-8 at byte 2\n")
    assert server.requests == []


UNFIT = [
    ("--max-tokens", "99999999999", "'99999999999' is not a whole number from -2147483648 to"),
    ("--max-tokens", "1.5", "'1.5' is not a whole number from -2147483648 to 2147483647"),
    ("--seed", str(2**63), f"'{2**63}' is not a whole number from {-(2**63)} to {2**63 - 1}"),
    ("--temperature", "warm", "'warm' is not a number"),
    ("--temperature", "1e300", "'1e300' is not a number"),
    ("--top-p", "nan", "'nan' is not a number"),
    ("--system", "ab\udcff", "not valid UTF-8 at byte 2"),
    ("--stop", "\udcff", "not valid UTF-8 at byte 0"),
    ("--model", "ü\udcff", "not valid UTF-8 at byte 2"),
]


def test_value_that_does_not_fit(
    capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    """A value out of the range of its field fails with exit code 2 and names the option."""
    for option, value, complaint in UNFIT:
        with subtests.test(option=option, value=value):
            finished = run_here(capsys, "chat", option, value, "hi")
            assert (finished.code, finished.stdout) == (2, "")
            assert f"error: argument {option}: {complaint}" in finished.stderr.splitlines()[-1]


async def test_a_value_that_does_not_fit_is_not_sent() -> None:
    """The program ends with exit code 2 and makes no call."""
    option, value, complaint = UNFIT[0]
    async with ScriptedServer(says()) as server:
        finished = await chat(server, option, value, "hi")
    assert finished.code == 2
    assert complaint in finished.stderr
    assert server.requests == []


async def test_failure_is_one_line() -> None:
    """A failed call exits with 1 and prints code, reason, message, field and ID in one line."""
    script = fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "a parameter is out of range",
        reason("INVALID_PARAMETER"),
        bad_field("params.top_p", "must be at most 1"),
    )
    async with ScriptedServer(script) as server:
        finished = await chat(server, "hi")
    assert finished == Finished(
        1,
        "",
        "error: INVALID_ARGUMENT INVALID_PARAMETER: a parameter is out of range "
        "(params.top_p: must be at most 1; request req-7)\n",
    )


async def test_failure_after_some_text() -> None:
    """A call that fails midway leaves its text on a separate line."""
    script = fails(grpc.StatusCode.ABORTED, "broken", after=("half",))
    async with ScriptedServer(script) as server:
        finished = await chat(server, "hi")
    assert finished == Finished(1, "half\n", "error: ABORTED: broken (request req-7)\n")


async def test_failure_text_cannot_control_the_terminal() -> None:
    """Control characters in a status message are escaped."""
    async with ScriptedServer(fails(grpc.StatusCode.INTERNAL, "\x1b[2Jx")) as server:
        finished = await chat(server, "hi")
    assert finished.stderr == "error: INTERNAL: \\x1b[2Jx (request req-7)\n"


async def test_refused_connection_says_what_to_do() -> None:
    """If nothing listens, one line names the address and explains how to start a server."""
    async with ScriptedServer(says()) as server:
        pass
    finished = await chat(server, "hi")
    assert (finished.code, finished.stdout) == (1, "")
    [line] = finished.stderr.splitlines()
    assert line.startswith("error: UNAVAILABLE: ")
    assert f"is a tokenwire server running at {server.address}?" in line
    assert '"tokenwire serve --demo"' in line


async def test_timeout() -> None:
    """An answer that takes longer than --timeout fails with DEADLINE_EXCEEDED."""
    async with ScriptedServer(hangs_after()) as server:
        finished = await chat(server, "hi", "--timeout", "300ms")
        assert finished.code == 1
    assert finished.stderr.startswith("error: DEADLINE_EXCEEDED")


async def test_tls_with_a_private_authority() -> None:
    """--ca connects over TLS to a server whose certificate the file verifies."""
    certificate = (TLS / "cert.pem").read_bytes()
    secret = grpc.ssl_server_credentials([((TLS / "key.pem").read_bytes(), certificate)])
    async with ScriptedServer(says("safe"), credentials=secret) as server:
        finished = await chat(server, "hi", "--ca", str(TLS / "cert.pem"), "--quiet")
    assert finished == Finished(0, "safe\n", "")


async def test_interrupt_cancels_the_answer() -> None:
    """SIGINT cancels the call, reports that and ends with exit code 130."""
    async with ScriptedServer(hangs_after("half")) as server:
        process = await start(*TOKENWIRE, "chat", "--address", server.address, "hi")
        assert process.stdout is not None
        assert await process.stdout.readexactly(4) == b"half"
        process.send_signal(signal.SIGINT)
        await server.cancelled.wait()
        stdout, stderr = await process.communicate()
    assert (process.returncode, stdout, stderr) == (130, b"\n", b"cancelled\n")


async def test_reader_that_leaves() -> None:
    """If the reader of stdout leaves, the program cancels the call and ends without an error."""

    async def endless(_request: Message, _context: Context) -> AsyncIterator[Answer]:
        while True:
            yield Answer(content="more\n")

    async with ScriptedServer(endless) as server:
        command = shlex.join([*TOKENWIRE, "chat", "--address", server.address, "hi"])
        finished = await run("sh", "-c", f"{command} | head -n 1")
        await server.cancelled.wait()
    assert finished == Finished(0, "more\n", "")


async def test_pipe_gets_the_bytes_and_a_terminal_gets_codes() -> None:
    """Control characters are written unchanged to a pipe and escaped on a terminal."""
    async with ScriptedServer(says("\x1b]0;title\x07 \x9b2J a\r\tb\n", "end")) as server:
        finished = await chat(server, "hi", "--quiet")
        async with Terminal(*TOKENWIRE, "chat", "--address", server.address, "hi") as terminal:
            shown = await terminal.expect("first token")
    assert finished.stdout == "\x1b]0;title\x07 \x9b2J a\r\tb\nend\n"
    assert shown == "\\x1b]0;title\\x07 \\x9b2J a\tb\nend\n"


async def test_sends_files(tmp_path: Path) -> None:
    """Images are sent with the type that their name has, and a schema as the answer's format."""
    picture, scan, schema = tmp_path / "a.png", tmp_path / "b.JPG", tmp_path / "schema.json"
    picture.write_bytes(b"\x89PNG")
    scan.write_bytes(b"\xff" * 5_000_000)
    schema.write_text('{"type": "object"}')
    options = ("--image", str(picture), "--image", str(scan), "--schema", str(schema))
    async with ScriptedServer(says()) as server:
        finished = await chat(server, *options, "what?")
    assert finished.code == 0
    [message] = server.requests
    assert [(part.media_type, part.inline) for part in message.parts] == [
        ("image/png", b"\x89PNG"),
        ("image/jpeg", b"\xff" * 5_000_000),
    ]
    assert message.format.json_schema.schema == '{"type": "object"}'


async def test_rejects_files(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A file that cannot be sent exits with code 2 and one line that names it and its option."""
    empty, binary, fifo = tmp_path / "a.png", tmp_path / "schema", tmp_path / "pipe.gif"
    empty.touch()
    binary.write_bytes(b"ok \xff")
    os.mkfifo(fifo)
    missing = tmp_path / "none.webp"
    for option, path, problem in (
        ("--image", tmp_path / "notes.txt", "does not end with one of png, jpg, "),
        ("--image", missing, "No such file or directory"),
        ("--image", empty, "is empty"),
        ("--image", fifo, "Not a regular file"),
        ("--schema", binary, "is not valid UTF-8 at byte 3"),
        ("--schema", tmp_path, "Is a directory"),
    ):
        with subtests.test(option=option, path=path.name):
            finished = await run(*TOKENWIRE, "chat", option, str(path), "hi")
            assert finished.code == 2
            line = finished.stderr.splitlines()[-1]
            assert f"argument {option}: " in line
            assert repr(str(path)) in line
            assert problem in line
