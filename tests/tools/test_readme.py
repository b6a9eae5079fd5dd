"""The README's commands that need an external tool."""

from pathlib import Path

import pytest

from support.programs import run
from support.readme import GRPCURL, Block
from tokenwire.app import App

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("block", GRPCURL, ids=lambda block: block.code[:30])
async def test_grpcurl_command_works(block: Block, tools: Path, app: App) -> None:
    """The grpcurl command streams the answer."""
    command = block.pointed_at({"localhost:50051": app.address, "grpcurl ": f"{tools}/grpcurl "})
    done = await run("sh", "-c", command)
    assert done.code == 0, done.stderr
    assert "FINISH_REASON_STOP" in done.stdout
