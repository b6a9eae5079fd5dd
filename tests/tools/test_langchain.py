"""LangChain's standard tests of chat models, against a real server with the demo model."""

from pathlib import Path

import pytest

from support.app import StartApp
from support.programs import ROOT, run

FOLDER = ROOT / "tools" / "langchain-tests"

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]


async def test_langchains_standard_tests_pass(start_app: StartApp, tools: Path) -> None:
    """All of LangChain's standard tests pass; none is skipped, and one is expected to fail."""
    app = await start_app()
    python = tools.parent / "langchain-tests" / "bin" / "python"
    env = {"TARGET": app.address, "PYTHONPATH": str(ROOT / "client")}
    command = (python, "-m", "pytest", "-p", "no:cacheprovider", "--quiet")
    done = await run(*command, cwd=FOLDER, env=env, within=240)
    assert done.code == 0, done.stdout
    last = done.stdout.splitlines()[-1]
    assert "skipped" not in last
    assert "1 xfailed" in last
