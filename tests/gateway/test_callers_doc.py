"""docs/callers.md: its file is valid, its commands and its code work, and its table is right."""

import re
from pathlib import Path

import pytest

from support.command_line import TOKENWIRE, run, run_here
from support.fenced import defined_by, fenced
from support.gateway import gateway_world
from support.process import run_tokenwire
from support.programs import ROOT
from tokenwire.api.codes import CODES
from tokenwire.cli.keys import hash_of
from tokenwire.config.gateway import load_gateway
from tokenwire.core import errors

DOC = (ROOT / "docs/callers.md").read_text("utf-8")
NEW, CHAT, *_ = [line for block in fenced(DOC, "sh") for line in block.splitlines()]
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def test_its_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the page has two callers, one of which may use one model."""
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    path = tmp_path / "gateway.yaml"
    text, *_ = fenced(DOC, "yaml")
    [certificates] = [each for each in fenced(DOC, "yaml") if "certificates:" in each]
    [priority] = [each for each in fenced(DOC, "yaml") if "priority:" in each]
    path.write_text(text)
    callers = load_gateway(path).file.callers
    assert callers
    assert [caller.models for caller in callers.values()] == [None, ["fast"]]
    before, _, _ = text.partition("callers:")
    path.write_text(before + certificates)
    callers = load_gateway(path).file.callers
    assert callers
    assert [len(caller.certificates or ()) for caller in callers.values()] == [1, 2]
    path.write_text(before + priority)
    callers = load_gateway(path).file.callers
    assert callers
    assert [caller.priority for caller in callers.values()] == ["low"]


async def test_a_new_key_calls(tmp_path: Path) -> None:
    """The key that the command prints is accepted by a file with the line that it prints."""
    made = await run(*TOKENWIRE, *NEW.split()[1:])
    assert made.code == 0
    key = made.stdout.strip()
    assert re.fullmatch(r"tw_team-a_[A-Za-z0-9]{32}", key)
    [line] = HASH.findall(made.stderr)
    assert key not in made.stderr
    models = {"fast": {"routes": "one/a"}}
    callers = {"team-a": {"keys": [line]}}
    async with gateway_world(tmp_path, models, {"one": {}}, callers=callers) as world:
        (tmp_path / "key").write_text(made.stdout)
        arguments = CHAT.replace("--key-file key", f"--key-file {tmp_path / 'key'}").split()[1:4]
        done = await run_tokenwire(*arguments[:3], "--address", world.app.address, "hello")
        assert (done.code, "built-in demo model" in done.stdout) == (0, True)
        names = defined_by(fenced(DOC, "python")[0])
        assert "built-in demo model" in await names["ask"](world.app.address, key, "hello")
        refused = await run_tokenwire("chat", "--address", world.app.address, "hello")
        assert "no credentials" in refused.stderr


def test_its_table_is_right() -> None:
    """The statuses and reasons are those of the code."""
    rows = re.findall(r"^\| .* \| ([A-Z_]+) \| `([A-Z_]+)` \|$", DOC, re.MULTILINE)
    kinds = (
        *(errors.CredentialsMissing, errors.CredentialsInvalid, errors.CredentialsExpired),
        *(errors.IssuerUnavailable, errors.ModelNotAllowed),
    )
    assert rows == [(CODES[kind].name, kind.reason) for kind in kinds]


def test_a_name_that_the_file_refuses(
    capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    """`tokenwire keys new` makes keys for names that the file accepts, and for no others."""
    for name in ("a", "team-a", "a.b_c", "0", "a" * 63):
        with subtests.test(name):
            made = run_here(capsys, "keys", "new", name)
            assert (made.code, made.stdout.startswith(f"tw_{name}_")) == (0, True)
    for name in ("", "Team", "team a", "-a", "a-", ".a", "a.", "_a", "a" * 64, "a\n", "ä", "*"):
        with subtests.test(name):
            made = run_here(capsys, "keys", "new", "--", name)
            assert (made.code, made.stdout) == (2, "")
            assert "must be 1 to 63 lower-case letters" in made.stderr


async def test_a_key_of_ones_own(tmp_path: Path) -> None:
    """`tokenwire keys hash` reads a key from stdin; a short one is refused."""
    key = "a-key-that-was-made-elsewhere"
    command = f"echo {key} | {' '.join(TOKENWIRE)} keys hash"
    done = await run("sh", "-c", command)
    assert done.stdout.strip() == hash_of(key)
    short = await run("sh", "-c", f"echo canary | {' '.join(TOKENWIRE)} keys hash")
    assert (short.code, "needs 20 or more" in short.stderr) == (2, True)
    assert "canary" not in short.stderr
    missing = await run_tokenwire("chat", "--key-file", str(tmp_path / "none"), "hello")
    assert (missing.code, "cannot read" in missing.stderr) == (2, True)
    empty = await run_tokenwire("chat", "--key", " ", "hello")
    assert (empty.code, "must be one line of printable ASCII" in empty.stderr) == (2, True)
