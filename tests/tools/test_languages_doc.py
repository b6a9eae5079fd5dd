"""The commands of docs/languages.md: grpcurl and buf curl, in plaintext and over TLS."""

from pathlib import Path
from typing import Any

import pytest

from support.certificates import Mount, Pair
from support.fenced import fenced
from support.gateway import gateway_world
from support.limits import KEY, callers
from support.programs import ROOT, run

pytestmark = pytest.mark.tools

DOC = (ROOT / "docs" / "languages.md").read_text("utf-8")
[*COMMANDS] = [line for block in fenced(DOC, "sh") for line in block.splitlines()]
MODELS = {"smart": {"routes": "one/a"}}
WRONG = "tw_unknown_canary3"


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_command_gets_an_answer_with_a_key_only(
    command: str, tools: Path, tmp_path: Path
) -> None:
    """The command prints the answer; with a wrong key it says so, and fails."""
    secured = "ca.crt" in command
    pair, folder = Pair(name="localhost"), tmp_path / "tls"
    folder.mkdir()
    settings: dict[str, Any] = {}
    if secured:
        settings |= Mount(folder).put(pair).settings
    (tmp_path / "ca.crt").write_bytes(pair.authority)
    path = f"{tools}:/usr/bin:/bin"
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=callers(), **settings) as world:
        port = world.app.address.rpartition(":")[2]
        pointed = command.replace("50051", port)
        assert pointed != command
        done, refused = [
            await run("sh", "-c", pointed, cwd=tmp_path, env={"KEY": key, "PATH": path})
            for key in (KEY, WRONG)
        ]
    assert done.code == 0, done.stderr
    assert '"content": ' in done.stdout
    assert refused.code != 0
    assert "no credentials that this service accepts" in refused.stderr


def test_each_tool_is_shown_in_plaintext_and_over_tls() -> None:
    """There are two commands for each tool."""
    assert [line.split()[0] for line in COMMANDS] == ["grpcurl", "grpcurl", "buf", "buf"]
