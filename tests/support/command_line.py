"""Runs the subcommands as programs, with pipes or on a terminal."""

import asyncio
import os
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pytest

from tokenwire.__main__ import build_parser

TOKENWIRE = (sys.executable, "-m", "tokenwire")

CTRL_C = "\x03"
CTRL_D = "\x04"

# In seconds. Long enough for a busy machine, and shorter than pytest's own timeout,
# which could not show the contents of the screen.
_PATIENCE = 30


@dataclass(frozen=True)
class Finished:
    code: int | None
    stdout: str
    stderr: str


async def run(*command: str, stdin: bytes = b"") -> Finished:
    """Run a program until it ends, with `stdin` piped into it."""
    process = await start(*command)
    stdout, stderr = await process.communicate(stdin)
    return Finished(process.returncode, stdout.decode(), stderr.decode())


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Finished:
    """Run a subcommand in this process, which suffices where its arguments are rejected."""
    try:
        parsed = build_parser().parse_args(arguments)
        code: int | str | None = parsed.run(parsed)
    except SystemExit as ended:
        code = ended.code
    assert isinstance(code, int)
    return Finished(code, *capsys.readouterr())


async def start(*command: str) -> asyncio.subprocess.Process:
    """Start a program with pipes for stdin, stdout and stderr."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)


# Makes the terminal on stdin the controlling terminal of the new session, so that Ctrl-C
# typed into it becomes SIGINT, and then executes the program.
_ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A program that runs on its own terminal; leaving the block kills it."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self.screen = ""
        self._seen = 0

    async def __aenter__(self) -> Self:
        self._master, slave = os.openpty()
        self._reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(self._master, "rb", 0)
        )
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _ON_A_TERMINAL, *self._command),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "dumb"},  # readline then edits without escape codes
        )
        os.close(slave)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._transport.close()

    def type(self, keys: str) -> None:
        """Type `keys`; a newline is Enter, and CTRL_C and CTRL_D are those keys."""
        os.write(self._master, keys.encode())

    async def expect(self, text: str) -> str:
        """Wait until `text` appears after the previously expected text.

        Returns:
            The text between them.

        Raises:
            AssertionError: The program ended, or the time passed, before `text` appeared.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                while (found := self.screen.find(text, self._seen)) < 0:
                    if not await self._read():
                        break
        except TimeoutError:
            found = -1
        if found < 0:
            raise AssertionError(f"never saw {text!r} in {self.screen!r}")
        before = self.screen[self._seen : found]
        self._seen = found + len(text)
        return before

    async def exit_code(self) -> int:
        """Wait until the program ends by itself; return its exit code."""
        while await self._read():
            pass
        return await self._process.wait()

    async def _read(self) -> bool:
        try:
            data = await self._reader.read(4096)
        except OSError:  # how Linux reports that the program has closed its terminal
            return False
        self.screen += data.decode().replace("\r\n", "\n")
        return bool(data)
