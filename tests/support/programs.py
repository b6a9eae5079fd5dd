"""Running outside programs in tests: always bounded in time, always ended."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a program ended and what it said."""

    code: int
    stdout: str
    stderr: str


@contextlib.asynccontextmanager
async def started(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Start a program; on leaving, end it and whatever it started itself."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,  # a process group of its own, so that it can be ended as one
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def finished(process: Process, within: float) -> Outcome:
    """Wait for a started program to end by itself."""
    async with asyncio.timeout(within):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, stdout.decode(), stderr.decode())


async def run(
    *command: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    within: float = 30,
) -> Outcome:
    """Run a program to its end."""
    async with started(*command, cwd=cwd, env=env) as process:
        return await finished(process, within)
