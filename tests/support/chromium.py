"""Runs Debian's Chromium without a window."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.programs import run, started

OPTIONS = (
    "--headless",
    "--no-sandbox",  # root has no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other host is reachable
)


async def dom_of(url: str, milliseconds: int = 10_000, *, width: int = 800) -> str:
    """Return the DOM of a page after `milliseconds` of its scripts' virtual time."""
    budget = f"--virtual-time-budget={milliseconds}"
    return await _chromium(budget, f"--window-size={width},600", "--dump-dom", url)


async def screenshot(
    url: str, into: Path, milliseconds: int = 10_000, *, width: int = 1240, height: int = 1500
) -> None:
    """Write a screenshot of a page to a PNG file."""
    budget = f"--virtual-time-budget={milliseconds}"
    size = f"--window-size={width},{height}"
    await _chromium(budget, size, f"--screenshot={into}", url)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[None]:
    """Show a page in real time until the block ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ("chromium", *OPTIONS, f"--user-data-dir={profile}", url)
        async with started(*command, env={"HOME": profile}):
            yield


async def _chromium(*arguments: str) -> str:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ("chromium", *OPTIONS, f"--user-data-dir={profile}", *arguments)
        done = await run(*command, env={"HOME": profile}, within=60)
    assert done.code == 0, done.stderr
    return done.stdout
