"""A worker as its supervisor sees it."""

import asyncio
import contextlib
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Any, Final

from tokenwire.process.link import LinkError, line, open_stream, read_message
from tokenwire.workers.backoff import Backoff

# -P: a file of the working directory must not take the place of one of ours.
COMMAND: Final = (sys.executable, "-P", "-m", "tokenwire", "serve", "--worker")


class StartError(Exception):
    """A worker has ended before it served.

    Attributes:
        code: Its exit code.
        problems: What it said about its settings, a line each.
    """

    def __init__(self, code: int, problems: list[str]) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
        self.problems = problems


class Worker:
    """One worker, which may be one process after the other.

    Args:
        number: Tells it from the others.
        overrides: Its settings that win over the environment.

    Attributes:
        metrics_address: Where its metrics are, HOST:PORT, while it serves; else empty.
        restarts: How often it was replaced.
        unheard: How often its supervisor has looked since its process last told that it runs.
    """

    def __init__(self, number: int, overrides: Mapping[str, Any]) -> None:
        self.number = number
        self.metrics_address = ""
        self.restarts = 0
        self.unheard = 0
        self._overrides = overrides
        self._backoff = Backoff()
        self._process: Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._serving_since = 0.0

    @property
    def pid(self) -> int:
        """The id of the latest process, or 0."""
        return self._process.pid if self._process else 0

    @property
    def runs(self) -> bool:
        """Whether it has a process that has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def starts(self) -> bool:
        """Whether its process runs and has not served yet."""
        return self.runs and not self._serving_since

    async def spawn(self) -> None:
        """Start a process.

        Raises:
            OSError: The system has no place for it, or the interpreter is not there.
        """
        self._serving_since = 0.0
        self._process = None
        self.unheard = 0
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as on_failure:
            on_failure.callback(ours.close)
            descriptor = theirs.fileno()
            self._process = await asyncio.create_subprocess_exec(
                *(*COMMAND, str(self.number), str(descriptor)),
                stdin=DEVNULL,
                pass_fds=(descriptor,),
            )
            on_failure.callback(self.kill)
            self._reader, self._writer = await open_stream(ours)
            on_failure.pop_all()
        self._writer.write(line(**self._overrides))

    async def serving(self) -> None:
        """Wait until the process serves.

        Raises:
            StartError: It has ended instead.
        """
        told = await self._read()
        address = told.get("metrics_address")
        if not (isinstance(address, str) and address):
            problems = told.get("problems")
            if not isinstance(problems, list):
                problems = []
                # It ends by itself, or speaks another language.
                self.kill()
            raise StartError(await self.ended(), [str(each) for each in problems])
        self.unheard = 0
        self._serving_since = time.monotonic()
        self.metrics_address = address
        self._listening = asyncio.create_task(self._listen())

    async def ended(self) -> int:
        """Return the exit code, as a shell would tell it, once the process has ended."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self.metrics_address = ""
        if self._listening:
            self._listening.cancel()
        if self._writer:
            self._writer.close()
        return code if code >= 0 else 128 - code

    def delay(self) -> float:
        """Return the seconds to wait before it is started again."""
        served = time.monotonic() - self._serving_since if self._serving_since else 0.0
        return self._backoff.delay(served)

    def drain(self) -> None:
        """Let it finish what it answers and end; one that only starts ends at once."""
        if self._serving_since and self._writer:
            if not self._writer.transport.is_closing():
                # Our side alone: it still tells that it runs.
                self._writer.write_eof()
        elif self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _read(self) -> dict[str, Any]:
        with contextlib.suppress(LinkError):
            return await read_message(self._reader) or {}
        return {}

    async def _listen(self) -> None:
        """Note each sign that it runs, until it sends no more of them, or something else."""
        while await self._read():
            self.unheard = 0
