"""Every command and snippet of the README runs and does what the text says."""

import os
import re
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from support.certificates import Pair
from support.programs import run, started
from support.readme import CLIENTS, CONTAINERS, GRPCURL, MAKE, PROTOC, SERVE, TLS, Block, blocks
from tokenwire.app import App
from tokenwire_client import Client
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
ANSWER = "This is tokenwire's built-in demo model"


def with_path(**more: str) -> dict[str, str]:
    """Return an environment in which `tokenwire` is a command."""
    return {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **more}


def addresses(app: App) -> dict[str, str]:
    return {"localhost:50051": app.address, "localhost:9464": app.metrics_address}


def test_every_command_is_run_by_a_test() -> None:
    """Each sh block is of one of the kinds that the tests run."""
    kinds = [*SERVE, *TLS, *MAKE, *GRPCURL, *CLIENTS, *PROTOC, *CONTAINERS]
    assert sorted(block.code for block in kinds) == sorted(block.code for block in blocks("sh"))
    assert {block.language for block in blocks("python")} == {"python"}


async def test_make_demo_prints_what_the_readme_shows() -> None:
    """The README shows the real output of `make demo`, except for ports and times."""
    done = await run("make", "--silent", "demo", env=with_path())
    assert done.code == 0, done.stderr
    shown = blocks("text")[1].code
    assert without_numbers(done.stdout.strip()) == without_numbers(shown)


def without_numbers(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?(e-\d+)?", "N", text)


@pytest.mark.parametrize("block", MAKE, ids=lambda block: block.code)
async def test_every_make_target_is_there(block: Block) -> None:
    """Every make target that the README names exists."""
    done = await run(*block.code.split(), "--dry-run", env=with_path())
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("block", SERVE, ids=lambda block: block.code[:40])
async def test_every_way_to_serve_serves(block: Block, upstream: DemoUpstream) -> None:
    """Each command that starts a server starts one that answers a call."""
    base_url = upstream.base_url
    ollama_vllm_azure = {
        "http://localhost:11434/v1": base_url,
        "http://localhost:8000/v1": base_url,
        "https://NAME.openai.azure.com/openai": base_url.removesuffix("/v1"),
    }
    env = with_path(TOKENWIRE_LISTEN="127.0.0.1:0", TOKENWIRE_METRICS_LISTEN="127.0.0.1:0")
    if "OPENAI_BASE_URL" not in block.code:
        # OpenAI itself is not reachable from a test.
        env["OPENAI_BASE_URL"] = base_url
    async with (
        started("sh", "-c", block.pointed_at(ollama_vllm_azure), env=env) as process,
        Client(await address_of(process)) as client,
    ):
        text = "".join([answer.content async for answer in client.send("hello")])
    assert text.startswith(ANSWER)


async def address_of(process: Process) -> str:
    """Return the address that a server logs when it is serving."""
    assert process.stderr
    async for line in process.stderr:
        if match := re.search(rb'"address": "([\d.:]+)"', line):
            return match[1].decode()
    raise AssertionError("the server did not start")


async def test_tls_is_served_and_called(tmp_path: Path) -> None:
    """A server with the README's certificate answers the README's call that trusts it."""
    pair = Pair()
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.authority}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    serve, call = TLS
    env = with_path(TOKENWIRE_LISTEN="127.0.0.1:0", TOKENWIRE_METRICS_LISTEN="127.0.0.1:0")
    async with started("sh", "-c", serve.code, env=env, cwd=tmp_path) as process:
        there = {"localhost:50051": await address_of(process)}
        done = await run("sh", "-c", call.pointed_at(there), env=env, cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert done.stdout.startswith(ANSWER)


@pytest.mark.parametrize("block", CLIENTS, ids=lambda block: block.code[:20])
async def test_every_client_command_works(block: Block, app: App) -> None:
    """Each command that calls a server prints its answer."""
    done = await run("sh", "-c", block.pointed_at(addresses(app)), env=with_path())
    assert done.code == 0, done.stderr
    assert re.search(rf"^({ANSWER}|status: SERVING|# HELP )", done.stdout)


async def test_the_python_snippet_works(app: App) -> None:
    """The Python snippet prints an answer and its number of tokens."""
    [snippet] = blocks("python")
    done = await run(sys.executable, "-c", snippet.pointed_at(addresses(app)))
    assert done.code == 0, done.stderr
    assert done.stdout.startswith(ANSWER)
    assert re.search(r"\n\d+ tokens\n$", done.stdout)


@pytest.mark.parametrize("block", PROTOC, ids=lambda block: block.code)
async def test_protoc_generates_stubs_of_java(block: Block, tmp_path: Path) -> None:
    """The protoc command writes the Java classes of the contract to the given directory."""
    command = block.pointed_at({"DIRECTORY": str(tmp_path)})
    done = await run("sh", "-c", command, env=with_path())
    assert done.code == 0, done.stderr
    assert (tmp_path / "io" / "tokenwire" / "v1" / "Message.java").is_file()
