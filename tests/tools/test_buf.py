"""The style of the contract, and its compatibility with clients of the original contract."""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from support.programs import ROOT, Outcome, run

pytestmark = pytest.mark.tools

CONTRACT = Path("proto") / "tokenwire" / "v1" / "chatgpt.proto"


class Break(NamedTuple):
    """A change that breaks clients of the original contract, and the buf rule that detects it."""

    before: str
    after: str
    rule: str


BREAKS = {
    "renumbered field": Break("string error = 1;", "string error = 99;", "FIELD_NO_DELETE"),
    "deleted field": Break("  string error = 1;\n", "", "FIELD_NO_DELETE"),
    "reserved field": Break("string error = 1;", "reserved 1;", "FIELD_NO_DELETE"),
    "renamed field": Break("string error = 1;", "string failure = 1;", "FIELD_SAME_NAME"),
    "changed type": Break("float temperature", "double temperature", "FIELD_SAME_TYPE"),
    "one value made many": Break(
        "string model = 1;", "repeated string model = 1;", "FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY"
    ),
    "renamed message": Break("Params", "Options", "PACKAGE_MESSAGE_NO_DELETE"),
    "renamed service": Break("service Chatgpt {", "service Chat {", "PACKAGE_SERVICE_NO_DELETE"),
    "renamed call": Break("rpc Send(", "rpc Speak(", "RPC_NO_DELETE"),
    "stream made one": Break("(stream Answer)", "(Answer)", "RPC_SAME_SERVER_STREAMING"),
    "renamed package": Break("package openai;", "package tokenwire.v1;", "PACKAGE_NO_DELETE"),
}


@pytest.fixture
def buf(tools: Path) -> Path:
    """The path of buf."""
    return tools / "buf"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that buf reads, for a test to modify."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


async def breaking(buf: Path, root: Path) -> Outcome:
    """Run buf's check for breaking changes between the original contract and `root`."""
    original = ROOT / "tests" / "original.proto"
    return await run(buf, "breaking", "--against", original, "--error-format", "json", cwd=root)


def broken_rules(done: Outcome) -> set[str]:
    """Return the rules that buf reports as violated, one JSON object per line."""
    return {json.loads(line)["type"] for line in done.stdout.splitlines()}


async def test_the_contract_follows_the_style_guide(buf: Path) -> None:
    """The contract passes buf's standard and comment rules, except those exempted in buf.yaml."""
    assert await run(buf, "lint") == Outcome(0, "", "")


async def test_every_lint_exemption_is_needed(buf: Path, copy: Path) -> None:
    """Without its exemptions, the contract violates exactly the exempted rules."""
    config = (copy / "buf.yaml").read_text()
    lint, rest = config.split("breaking:\n")
    kept, exemptions = lint.split("  ignore_only:\n")
    (copy / "buf.yaml").write_text(f"{kept}breaking:\n{rest}")

    done = await run(buf, "lint", "--error-format", "json", cwd=copy)

    assert done.code == 100, done.stderr
    assert broken_rules(done) == set(re.findall(r"^    ([A-Z_]+):$", exemptions, re.MULTILINE))


async def test_an_uncommented_field_is_noticed(buf: Path, copy: Path) -> None:
    """A field without a comment fails the lint."""
    contract = (copy / CONTRACT).read_text()
    (copy / CONTRACT).write_text(
        contract.replace("  // What was said; with ROLE_TOOL, the result of the call.\n", "")
    )

    done = await run(buf, "lint", "--error-format", "json", cwd=copy)

    assert done.code == 100, done.stderr
    assert broken_rules(done) == {"COMMENT_FIELD"}


async def test_the_contract_keeps_the_original(buf: Path) -> None:
    """The contract is compatible with everything that the original contract defines."""
    assert await breaking(buf, ROOT) == Outcome(0, "", "")


@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS.keys())
async def test_a_break_is_noticed(buf: Path, copy: Path, change: Break) -> None:
    """A contract that would break clients of the original is rejected."""
    contract = (copy / CONTRACT).read_text()
    assert change.before in contract
    (copy / CONTRACT).write_text(contract.replace(change.before, change.after))

    done = await breaking(buf, copy)

    assert done.code == 100, done.stderr
    assert change.rule in broken_rules(done)
