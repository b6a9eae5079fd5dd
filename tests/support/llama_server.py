"""llama.cpp's server as an upstream of tests, as docs/models.md starts it.

It has a tiny model, a free port and no network.
"""

import asyncio
import contextlib
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from support.ports import free_port
from support.programs import ROOT
from support.tiny_model import CONTEXT, write_model

DOCUMENT = (ROOT / "docs/models.md").read_text("utf-8")
[GATEWAY_FILE] = re.findall(r"```yaml\n([^`]*LLAMA_API_KEY[^`]*)```", DOCUMENT)
"""The gateway file of the page."""
[COMMAND] = re.findall(r"^llama-server (.*)$", DOCUMENT, re.MULTILINE)
OPTIONS = dict(re.findall(r"(--\S+) (\S+)", COMMAND))
"""The options of the page's command."""
MODEL = OPTIONS["--alias"]
SLOTS = int(OPTIONS["--parallel"])
READY_WITHIN = 60.0
IDLE_WITHIN = 30.0


@dataclass(frozen=True)
class LlamaServer:
    """A running server.

    Attributes:
        root: Its URL, without a path.
        api_key: The key that it requires.
    """

    root: str
    api_key: str

    @property
    def base_url(self) -> str:
        """The base URL of its OpenAI-compatible API."""
        return f"{self.root}/v1"

    async def ask(self, path: str, body: object = None) -> httpx2.Response:
        """Return its own response: to GET, or to POST with a body."""
        headers = {"authorization": f"Bearer {self.api_key}"}
        async with httpx2.AsyncClient(trust_env=False, headers=headers) as client:
            url = f"{self.root}{path}"
            response = await (client.get(url) if body is None else client.post(url, json=body))
        return response.raise_for_status()

    async def input_tokens(self, messages: list[dict[str, Any]], **fields: object) -> int:
        """Return its count of the tokens of a prompt."""
        body = {"model": MODEL, "messages": messages, **fields}
        count: int = (await self.ask("/v1/chat/completions/input_tokens", body)).json()[
            "input_tokens"
        ]
        return count

    async def output_tokens(self) -> int:
        """Return how many tokens it has generated since it started."""
        metrics = (await self.ask("/metrics")).text
        [count] = re.findall(r"^llamacpp:tokens_predicted_total (\d+)$", metrics, re.MULTILINE)
        return int(count)

    async def tokens(self, text: str) -> list[int]:
        """Return the numbers of a text's tokens; the names of special tokens are such tokens."""
        numbers: list[int] = (await self.ask("/tokenize", {"content": text})).json()["tokens"]
        return numbers

    async def idle(self) -> list[dict[str, Any]]:
        """Wait until no slot works; return the slots."""
        async with asyncio.timeout(IDLE_WITHIN):
            while True:
                slots = await self.slots()
                if not any(slot["is_processing"] for slot in slots):
                    return slots
                await asyncio.sleep(0.02)

    async def slots(self) -> list[dict[str, Any]]:
        """Return its slots, each of which can answer one request at a time."""
        found: list[dict[str, Any]] = (await self.ask("/slots")).json()
        return found


@contextlib.contextmanager
def running_llama(program: Path, template: Path, folder: Path) -> Iterator[LlamaServer]:
    """Start the server, wait until it is ready, and stop it when the block ends."""
    model, log = folder / "tiny.gguf", folder / "llama-server.log"
    write_model(model)
    port = free_port()
    server = LlamaServer(f"http://127.0.0.1:{port}", f"sk-{secrets.token_hex(32)}")
    options = {
        **OPTIONS,
        "--model": str(model),
        "--port": str(port),
        "--host": "127.0.0.1",
        "--chat-template-file": str(template),
        "--ctx-size": str(CONTEXT * SLOTS),
        "--cache-ram": "0",
        "--threads": "1",
    }
    words = [word for option in options.items() for word in option]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *words, "--metrics", "--offline"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LLAMA_API_KEY": server.api_key},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _ready(process, server, log)
        yield server
    finally:
        process.kill()
        process.wait()


def _ready(process: subprocess.Popen[bytes], server: LlamaServer, log: Path) -> None:
    """Poll the server until its model is loaded; fail with the end of its log if it never is."""
    give_up = time.monotonic() + READY_WITHIN
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{server.root}/health", trust_env=False).is_success:
                return
        time.sleep(0.05)
    tail = log.read_text(errors="replace")[-3000:]
    raise AssertionError(f"llama-server is not ready; its exit code is {process.poll()}\n{tail}")
