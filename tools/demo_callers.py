"""The callers of the demo: their keys, their limits, and what counts and identifies them."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from joserfc import jwk

from tokenwire.cli.keys import hash_of

KEYS: Final = {name: f"tw_{name}_demo" for name in ("website", "batch", "research")}
"""The key of each caller. They are no secrets, because they open the demo only."""
LIMITS: Final[dict[str, dict[str, Any]]] = {
    "website": {"streams": 10, "dollars": "0.50/d"},
    "batch": {"requests": "40/m", "tokens": "20000/h"},
    "research": {"tokens": "1000/m", "dollars": "0.10/month"},
}
STORE: Final = "redis-server"


@asynccontextmanager
async def demo_callers(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Run a store of limits, if Redis is installed, and an issuer of tokens.

    Args:
        folder: The folder of the store's files.

    Yields:
        The sections of the gateway file about callers.
    """
    async with AsyncExitStack() as stack:
        keys = await stack.enter_async_context(_keys_of_an_issuer())
        sections: dict[str, Any] = {
            "callers": {
                name: {"keys": [hash_of(key)], "limits": LIMITS[name]} for name, key in KEYS.items()
            },
            "issuers": {
                "cluster": {
                    "issuer": "https://cluster.example",
                    "audience": "tokenwire",
                    "jwks_url": keys,
                }
            },
        }
        program = shutil.which(STORE)
        if program:
            store = await stack.enter_async_context(_store(program, folder))
            sections["limits"] = {"store": store}
        yield sections


@asynccontextmanager
async def _store(program: str, folder: Path) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *(program, "--port", port, "--bind", "127.0.0.1"),
        *("--dir", str(folder), "--save", "", "--logfile", str(folder / "redis.log")),
        # A reader of this program's output must not wait for the end of the store.
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _keys_of_an_issuer() -> AsyncIterator[str]:
    """Serve a JSON Web Key Set, and yield its URL."""
    key = jwk.ECKey.generate_key("P-256", {"kid": "demo", "alg": "ES256"})
    document = {"keys": [key.as_dict(private=False)]}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document)

    app = web.Application()
    app.router.add_get("/jwks", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    finally:
        await runner.cleanup()
