"""The supervisor's handle of a worker process."""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Any, Final

from tokenwire.process.link import LinkError, encode_message, open_stream, read_message
from tokenwire.workers.backoff import Backoff

# -P: a module in the working directory must not shadow an installed one.
COMMAND: Final = (sys.executable, "-P", "-m", "tokenwire", "serve", "--worker")


class StartError(Exception):
    """A worker ended before it served.

    Attributes:
        code: The worker's exit code.
        problems: One line per invalid setting that the worker reported.
    """

    def __init__(self, code: int, problems: list[str]) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
        self.problems = problems


class Worker:
    """One worker: a sequence of processes, of which at most one runs at a time.

    Args:
        number: The worker's number, from 0.
        overrides: The settings that override the environment, by field name.

    Attributes:
        number: The worker's number, from 0.
        metrics_address: HOST:PORT of the worker's metrics while it serves, otherwise empty.
        restarts: The number of restarts.
        missed_checks: The number of heartbeat checks since the last message of the process.
    """

    def __init__(self, number: int, overrides: Mapping[str, Any]) -> None:
        self.number = number
        self.metrics_address = ""
        self.restarts = 0
        self.missed_checks = 0
        self._overrides = overrides
        self._backoff = Backoff()
        self._process: Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._serving_since = 0.0

    @property
    def pid(self) -> int:
        """The id of the latest process, or 0 if none was started."""
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        """Whether the worker has a process that has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def is_starting(self) -> bool:
        """Whether the process runs and does not serve yet."""
        return self.is_running and not self._serving_since

    async def spawn(self) -> None:
        """Start a process.

        Raises:
            OSError: A system limit is reached, or the interpreter does not exist.
        """
        self._serving_since = 0.0
        self._process = None
        self.missed_checks = 0
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
        self._writer.write(encode_message(**self._overrides))

    async def serving(self) -> None:
        """Wait until the process serves.

        Raises:
            StartError: The process ended before it served, or sent an invalid message.
        """
        message = await self._read()
        address = message.get("metrics_address")
        if not (isinstance(address, str) and address):
            problems = message.get("problems")
            if not isinstance(problems, list):
                problems = []
                # After an invalid message, the process might never end by itself.
                self.kill()
            raise StartError(await self.ended(), [str(each) for each in problems])
        self.missed_checks = 0
        self._serving_since = time.monotonic()
        self.metrics_address = address
        self._listening = asyncio.create_task(self._listen())

    async def ended(self) -> int:
        """Wait until the process has ended; return its exit code, or 128 plus its signal."""
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
        """Return the seconds to wait before the next start."""
        served = time.monotonic() - self._serving_since if self._serving_since else 0.0
        return self._backoff.delay(served)

    def drain(self) -> None:
        """Tell the process to drain and exit; end it immediately if it does not serve yet."""
        if self._serving_since and self._writer:
            if not self._writer.transport.is_closing():
                # Closes only this direction: heartbeats still arrive.
                self._writer.write_eof()
        elif self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def reload(self) -> None:
        """Tell the process to reload the gateway file, unless it does not serve yet."""
        if self._serving_since and self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Kill the process."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _read(self) -> dict[str, Any]:
        with contextlib.suppress(LinkError):
            return await read_message(self._reader) or {}
        return {}

    async def _listen(self) -> None:
        """Reset `missed_checks` at each heartbeat, until the link closes or is invalid."""
        while await self._read():
            self.missed_checks = 0
