"""Writes every Python lock file: of the server, the development environment and the tools.

All have hashes and are valid for each platform and Python version that pyproject.toml allows.
They name no package host, so they work with any index.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lock(source: str, output: str, *options: str) -> None:
    """Resolve the requirements in `source` into the hash-locked file `output`."""
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", source),
            *("--universal", "--generate-hashes", "--upgrade", "--quiet"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *("--custom-compile-command", "make lock"),
            *("--output-file", output, *options),
        ],
        check=True,
        cwd=ROOT,
    )


if __name__ == "__main__":
    lock("pyproject.toml", "requirements.lock")
    lock("pyproject.toml", "requirements-dev.lock", "--group", "dev")
    lock(
        "tools/litellm/requirements.in",
        "tools/litellm/requirements.lock",
        *("--python-version", "3.11"),  # there is no pyproject.toml with requires-python
    )
    lock(
        "tools/kubernetes/requirements.in",
        "tools/kubernetes/requirements.lock",
        *("--python-version", "3.11"),
    )
    lock(
        "tools/image/requirements.in",
        "tools/image/requirements.lock",
        *("--python-version", "3.11"),
        *("--constraint", "requirements-dev.lock"),
    )
    lock(
        "benchmarks/peers/requirements.in",
        "benchmarks/peers/requirements.lock",
        *("--python-version", "3.11"),
        # Dependencies shared with the server have the server's version.
        *("--constraint", "requirements.lock"),
    )
