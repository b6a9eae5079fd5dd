"""A worker as its supervisor sees it."""

import asyncio
import contextlib
import json
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Any, Final

from tokenwire.workers.backoff import Backoff
from tokenwire.workers.link import line, open_stream

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
    """

    def __init__(self, number: int, overrides: Mapping[str, Any]) -> None:
        self.number = number
        self.metrics_address = ""
        self.restarts = 0
        self._overrides = overrides
        self._backoff = Backoff()
        self._process: Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._serving_since = 0.0

    @property
    def pid(self) -> int:
        """The id of the latest process."""
        return self._process.pid if self._process else 0

    async def spawn(self) -> None:
        """Start a process."""
        self._serving_since = 0.0
        ours, theirs = socket.socketpair()
        self._reader, self._writer = await open_stream(ours)
        with theirs:
            descriptor = theirs.fileno()
            self._process = await asyncio.create_subprocess_exec(
                *(*COMMAND, str(self.number), str(descriptor)),
                stdin=DEVNULL,
                pass_fds=(descriptor,),
            )
        self._writer.write(line(**self._overrides))

    async def serving(self) -> None:
        """Wait until the process serves.

        Raises:
            StartError: It has ended instead.
        """
        told: dict[str, Any] = {}
        # Without a whole line it has ended without a word.
        with contextlib.suppress(OSError, ValueError):
            told = json.loads(await self._reader.readline())
        if "metrics_address" not in told:
            raise StartError(await self.ended(), told.get("problems", []))
        self._serving_since = time.monotonic()
        self.metrics_address = told["metrics_address"]

    async def ended(self) -> int:
        """Return the exit code, as a shell would tell it, once the process has ended."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self.metrics_address = ""
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
            self._writer.close()
        elif self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
