"""Runs the program as a process with a given environment."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

TOKENWIRE = (sys.executable, "-m", "tokenwire")
PIPE = asyncio.subprocess.PIPE

SECONDS = 45.0
"""The timeout of each wait, long enough that a busy machine does not cause failures."""

FREE_PORTS = {"TOKENWIRE_LISTEN": "127.0.0.1:0", "TOKENWIRE_METRICS_LISTEN": "127.0.0.1:0"}


@dataclass(frozen=True)
class Finished:
    code: int | None
    stdout: str
    stderr: str


async def run_tokenwire(*arguments: str, env: Mapping[str, str] | None = None) -> Finished:
    """Run `tokenwire ARGUMENTS` to its end, with `env` added to the environment."""
    process = await asyncio.create_subprocess_exec(
        *TOKENWIRE, *arguments, env={**os.environ, **(env or {})}, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await process.communicate()
    finally:
        await _end(process)
    return Finished(process.returncode, stdout.decode(), stderr.decode())


class ServerProcess:
    """Runs `tokenwire serve` within a block: entering waits until it serves, leaving kills it.

    Args:
        arguments: The arguments of `serve`.
        env: Added to the environment; ports are free ones unless set here.
        stdout: A file descriptor; by default the process inherits stdout.

    Attributes:
        address: The address of the gRPC server, HOST:PORT.
        metrics_address: The address of the Prometheus endpoint, HOST:PORT.
        log_lines: All lines of stderr so far.
    """

    address: str
    metrics_address: str

    def __init__(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdout: int | None = None
    ) -> None:
        self._command = (*TOKENWIRE, "serve", *arguments)
        self._stdout = stdout
        self._env = {**os.environ, **FREE_PORTS, **(env or {})}
        self._changed = asyncio.Condition()
        self._ended = False
        self.log_lines: list[str] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._env, stdout=self._stdout, stderr=PIPE
        )
        self._reader = asyncio.create_task(self._read())
        try:
            entry = await self.logged("serving")
        except BaseException:
            await self._close()
            raise
        self.address = entry["address"]
        self.metrics_address = entry["metrics_address"]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The log lines so far that are JSON objects."""
        return [json.loads(line) for line in self.log_lines if line.startswith("{")]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    async def logged(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until an event was logged `times` times and return the last of these log entries.

        Raises:
            AssertionError: The process ended before that.
            TimeoutError: The event was not logged in time.
        """
        async with asyncio.timeout(SECONDS), self._changed:
            while True:
                found = [entry for entry in self.entries if entry["event"] == event]
                if len(found) >= times:
                    return found[times - 1]
                if self._ended:
                    raise AssertionError(f"{event!r} is not in {self.log_lines}")
                await self._changed.wait()

    async def stop_reading(self) -> None:
        """Stop reading the log, so that further output fills the pipe."""
        self._reader.cancel()
        await asyncio.wait([self._reader])

    def read_on(self) -> None:
        """Resume reading the log."""
        self._reader = asyncio.create_task(self._read())

    async def exit_code(self) -> int:
        """Wait until the process ends by itself and return its exit code, without reading its log.

        Raises:
            TimeoutError: The process did not end in time.
        """
        async with asyncio.timeout(SECONDS):
            # `Process.wait` also waits for the end of the pipe.
            while self._process.returncode is None:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
            return self._process.returncode

    async def wait(self) -> int:
        """Wait until the process ends by itself and return its exit code.

        Raises:
            TimeoutError: The process did not end in time.
        """
        async with asyncio.timeout(SECONDS):
            await self._reader
            return await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._changed:
                self.log_lines.append(line.decode().rstrip("\n"))
                self._changed.notify_all()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _close(self) -> None:
        if self._reader.cancelled():
            self.read_on()
        await _end(self._process)
        await self._reader


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
