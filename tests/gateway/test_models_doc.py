"""docs/models.md: its commands do what it says, and its files are valid."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from support.process import ServerProcess, run_tokenwire
from support.programs import ROOT, Outcome, run
from tokenwire.config.gateway import load_gateway

DOCUMENT = (ROOT / "docs/models.md").read_text("utf-8")
FILES = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.split("\n")
]
EXAMPLE = ROOT / "examples/config/demo.yaml"


@pytest.mark.parametrize("text", FILES)
def test_each_file_is_valid(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file of the page is accepted once the keys and the authority that it names are there."""
    for name in ("OPENAI_API_KEY", "LLAMA_API_KEY"):
        monkeypatch.setenv(name, "key")
    for name in ("anthropic-key", "bedrock-key", "second-key", "east-key", "west-key"):
        (tmp_path / name).write_text("key")
    trustme.CA().cert_pem.write_to_path(tmp_path / "internal-ca.pem")
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    assert load_gateway(path).file.models


@pytest.fixture
async def server() -> AsyncIterator[ServerProcess]:
    """Run the first command of the page, at free ports."""
    assert COMMANDS[0] == f"tokenwire serve --demo --config {EXAMPLE.relative_to(ROOT)}"
    async with ServerProcess(*COMMANDS[0].split()[2:]) as running:
        yield running


async def told(command: str, *more: str) -> Outcome:
    """Run a command of the page."""
    assert command in COMMANDS
    program, *arguments = [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command)]
    assert program == "tokenwire"
    return await run(sys.executable, "-m", "tokenwire", *arguments, *more)


@pytest.mark.slow
async def test_the_commands_work(server: ServerProcess) -> None:
    """A model whose first upstream fails answers, and the lists and the health tell of both."""
    address = ("--address", server.address)
    models = await told("tokenwire models", *address)
    assert [line.split("\t")[0] for line in models.stdout.splitlines()] == [
        "fast",
        "gpt-4o-mini",
        "resilient",
    ]
    answer = await told('tokenwire chat --model resilient "Who are you?"', *address)
    assert (answer.code, "built-in demo model" in answer.stdout) == (0, True)
    assert (await server.logged("call ended", 2))["upstream"] == "steady"
    checked = await told("tokenwire check examples/config/demo.yaml")
    assert "broken/demo" in checked.stdout
    assert (await told("tokenwire probe --service models/fast", *address)).code == 0


@pytest.mark.slow
async def test_the_demo_needs_an_address_of_its_own(tmp_path: Path, server: ServerProcess) -> None:
    """A file without an upstream on this machine, and a port in use, are refused with a line."""
    del server
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "upstreams: {far: {base_url: https://far.example/v1}}\nmodels: {fast: {routes: far/a}}\n"
    )
    far = await run_tokenwire("serve", "--demo", "--config", str(path))
    assert (far.code, "must have a `base_url` of this machine" in far.stderr) == (2, True)
    taken = await run_tokenwire("serve", "--demo", "--config", str(EXAMPLE))
    assert (taken.code, "upstreams.steady: no simulator can listen on" in taken.stderr) == (2, True)
