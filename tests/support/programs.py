"""Runs external programs with a time limit and always ends them."""

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
    """The exit code and the output of a program."""

    code: int
    stdout: str
    stderr: str


@contextlib.asynccontextmanager
async def started(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Start a program; end it and all its child processes when the block ends."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,  # a separate process group, which can be killed as a whole
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def finished(process: Process, within: float) -> Outcome:
    """Wait until a started program ends by itself."""
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
