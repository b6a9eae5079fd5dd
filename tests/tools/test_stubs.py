"""The Go stubs of the contract, and the output of other generators."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.fenced import fenced
from support.programs import ROOT, Outcome, run

# The first test includes the compilation of the plugins.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

STUBS = Path("gen") / "go"
CONTRACT = Path("proto") / "tokenwire" / "v1" / "chatgpt.proto"
OFFLINE = {"GOPROXY": "off", "GOTOOLCHAIN": "local"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that `buf generate` reads, without the stubs."""
    for name in ("buf.yaml", "buf.gen.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    (tmp_path / STUBS).mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOT / STUBS / name, tmp_path / STUBS)
    return tmp_path


async def go(*arguments: str | Path, cwd: Path, env: Mapping[str, str] = OFFLINE) -> Outcome:
    """Run the go command without network access."""
    return await run("go", *arguments, cwd=cwd, env={**OFFLINE, **env}, within=240)


async def generate(tools: Path, root: Path) -> dict[str, str]:
    """Generate the stubs under `root` with buf.gen.yaml, and return them."""
    done = await run(tools / "buf", "generate", cwd=root, env=OFFLINE, within=240)
    assert done.code == 0, done.stderr
    return go_files(root / STUBS)


def go_files(folder: Path) -> dict[str, str]:
    """Return the contents of the Go files under `folder`."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.go")}


async def test_the_committed_stubs_are_fresh(tools: Path, copy: Path) -> None:
    """The committed stubs are exactly what `make stubs` generates."""
    fresh = await generate(tools, copy)

    assert set(fresh) == {"tokenwire/v1/chatgpt.pb.go", "tokenwire/v1/chatgpt_grpc.pb.go"}
    assert fresh == go_files(ROOT / STUBS)


async def test_stale_stubs_are_noticed(tools: Path, copy: Path) -> None:
    """Stubs generated for a new field of the contract differ from the committed ones."""
    contract = (copy / CONTRACT).read_text()
    grown = contract.replace(
        "message Usage {\n", "message Usage {\n  // New.\n  int64 new = 1000;\n"
    )
    (copy / CONTRACT).write_text(grown)

    assert await generate(tools, copy) != go_files(ROOT / STUBS)


async def test_the_stubs_build_in_a_module_of_their_own() -> None:
    """`go vet` builds the stubs and finds nothing in them."""
    assert await go("vet", "./...", cwd=ROOT / STUBS) == Outcome(0, "", "")


async def test_the_readme_generates_stubs_in_another_module(tmp_path: Path) -> None:
    """The commands of the Go example's README install the plugins and generate stubs that build."""
    text = (ROOT / "examples" / "go" / "README.md").read_text()
    [commands] = [code for code in fenced(text, "sh") if "protoc " in code]
    plugins = tmp_path / "bin"
    path = os.pathsep.join([str(plugins), str(ROOT / ".venv" / "bin"), os.environ["PATH"]])
    module = tmp_path / "me"
    module.mkdir()
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOT / STUBS / name, module)
    await go("mod", "edit", "-module", "example.com/me", cwd=module)

    there = commands.replace("../..", str(ROOT))
    env = {**OFFLINE, "PATH": path, "GOBIN": str(plugins)}
    done = await run("sh", "-e", "-c", there, cwd=module, env=env, within=240)

    assert done.code == 0, done.stderr
    assert (await go("list", "./...", cwd=module)).stdout == "example.com/me/tokenwirev1\n"
    assert await go("vet", "./...", cwd=module) == Outcome(0, "", "")


async def test_plain_protoc_follows_the_contracts_own_import_path(tmp_path: Path) -> None:
    """protoc-gen-go needs no option: it writes the stubs to the contract's import path."""
    found = await go("tool", "-n", "protoc-gen-go", cwd=ROOT / STUBS)
    command = (
        *(ROOT / ".venv" / "bin" / "protoc", f"--plugin=protoc-gen-go={found.stdout.strip()}"),
        *(f"--proto_path={ROOT / 'proto'}", f"--go_out={tmp_path}", "tokenwire/v1/chatgpt.proto"),
    )
    done = await run(*command)

    assert done == Outcome(0, "", "")
    [module] = re.findall(r"^module (\S+)$", (ROOT / STUBS / "go.mod").read_text(), re.MULTILINE)
    assert list(go_files(tmp_path / module)) == ["tokenwire/v1/chatgpt.pb.go"]
