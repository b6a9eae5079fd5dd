"""Write requirements.lock and requirements-dev.lock from pyproject.toml.

Both carry hashes and hold on every platform and Python that pyproject.toml
allows. They name no package host, so they work with whichever index pip uses.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lock(output: str, *options: str) -> None:
    """Resolve pyproject.toml into the hash-locked file `output`."""
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml"),
            *("--universal", "--generate-hashes", "--upgrade", "--quiet"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *("--custom-compile-command", "make lock"),
            *("--output-file", output, *options),
        ],
        check=True,
        cwd=ROOT,
    )


if __name__ == "__main__":
    lock("requirements.lock")
    lock("requirements-dev.lock", "--group", "dev")
