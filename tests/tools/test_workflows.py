"""The GitHub workflows, checked with actionlint."""

from pathlib import Path

import pytest

from support.programs import ROOT, run

pytestmark = pytest.mark.tools

# Tools that happen to be installed on the machine must not affect the result.
ALONE = ("-shellcheck=", "-pyflakes=")


async def test_actionlint_has_nothing_to_say(tools: Path) -> None:
    """Every workflow is valid for actionlint."""
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    done = await run(tools / "actionlint", *ALONE, *workflows)
    assert (done.code, done.stdout) == (0, "")


async def test_actionlint_sees_what_is_wrong(tools: Path, tmp_path: Path) -> None:
    """A misspelled key is reported."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    (tmp_path / "ci.yml").write_text(text.replace("runs-on:", "run-on:", 1), "utf-8")
    done = await run(tools / "actionlint", *ALONE, tmp_path / "ci.yml")
    assert done.code == 1
    assert "run-on" in done.stdout
