"""The layers of the service."""

import sys
from pathlib import Path

from support.programs import run


async def test_imports_point_inward() -> None:
    """Every import contract in pyproject.toml is kept."""
    done = await run(Path(sys.executable).with_name("lint-imports"), "--no-cache", within=60)
    assert done.code == 0, done.stdout
    assert "0 broken" in done.stdout
