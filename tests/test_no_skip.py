"""The hooks that make `make test-tools` fail on skipped tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUARD = Path(__file__).parent / "support" / "no_skip.py"

SKIPS = {
    "in the test": "import pytest\ndef test_it(): pytest.skip('no such tool')",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no such tool')\ndef test_it(): ...",
    "whole file": "import pytest\npytest.importorskip('no_such_tool')\ndef test_it(): ...",
    "expected failure": "import pytest\n@pytest.mark.xfail\ndef test_it(): raise OSError",
}


def pytest_on(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on one test file with the hooks as its conftest."""
    shutil.copy(GUARD, folder / "conftest.py")
    (folder / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", folder, folder],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # only the hooks are under test
    )


@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_is_a_failure(tmp_path: Path, source: str) -> None:
    """A test that would be skipped, by any means, fails the run with an explanation."""
    done = pytest_on(tmp_path, source)

    assert done.returncode != 0
    assert "nothing may skip here" in done.stdout


def test_what_runs_is_left_alone(tmp_path: Path) -> None:
    """A test that runs and passes also passes with the hooks."""
    assert pytest_on(tmp_path, "def test_it(): ...").returncode == 0
