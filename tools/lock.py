"""Write every Python lock file: for each distribution, its tests, and what they are put beside.

All carry hashes and hold on every platform and Python that pyproject.toml
allows. They name no package host, so they work with whichever index pip uses.

A locked version is kept while its requirement allows it. With --upgrade, as
`make upgrade` says it, every version is resolved again.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
OURS: Final = (
    *("--no-emit-package", "tokenwire-client"),
    *("--no-emit-package", "tokenwire-demo"),
)
"""This repository's own distributions: resolved for what they need, not locked themselves."""

PROVIDERS: Final = ("anthropic", "bedrock", "google-genai", "mistralai", "ollama")
"""The extras with the packages of providers."""


def lock(source: str, output: str, *options: str) -> None:
    """Resolve the requirements in `source` into the hash-locked file `output`."""
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", source),
            *("--universal", "--generate-hashes", "--quiet", *sys.argv[1:]),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *("--custom-compile-command", "make lock"),
            *("--output-file", output, *options),
        ],
        check=True,
        cwd=ROOT,
    )


if __name__ == "__main__":
    extras = [option for name in ("demo", *PROVIDERS) for option in ("--extra", name)]
    lock("pyproject.toml", "requirements-dev.lock", *OURS, *extras, "--group", "dev")
    # What the server ships with is tested in its version, also where a provider's package allows
    # only an earlier one.
    shared = ("--constraint", "requirements-dev.lock")
    lock("pyproject.toml", "requirements.lock", *OURS, *shared)
    for provider in PROVIDERS:
        # What the image needs beside requirements.lock, and therefore in its versions.
        lock("pyproject.toml", f"requirements-{provider}.lock", *OURS, "--extra", provider, *shared)
    for package in ("client", "demo"):
        # What it shares with the server is of the same version.
        shared = ("--constraint", "requirements.lock")
        lock(f"{package}/pyproject.toml", f"{package}/requirements.lock", *shared)
    lock(
        "tools/litellm/requirements.in",
        "tools/litellm/requirements.lock",
        *("--python-version", "3.11"),  # there is no pyproject.toml with requires-python
    )
    lock(
        "tools/llama/requirements.in",
        "tools/llama/requirements.lock",
        *("--python-version", "3.11"),
    )
    lock(
        "tools/llama/source.in",
        "tools/llama/source.lock",
        *("--python-version", "3.11", "--no-deps"),
    )
    lock(
        "tools/langchain-tests/requirements.in",
        "tools/langchain-tests/requirements.lock",
        *("--python-version", "3.11"),
        # The client's dependencies have the versions that its other tests run with.
        *("--constraint", "requirements-dev.lock"),
    )
    for tool in ("xai", "envoy"):
        lock(
            f"tools/{tool}/requirements.in",
            f"tools/{tool}/requirements.lock",
            *("--python-version", "3.11"),
        )
    lock(
        "tools/aiplatform/requirements.in",
        "tools/aiplatform/requirements.lock",
        *("--python-version", "3.11"),
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
