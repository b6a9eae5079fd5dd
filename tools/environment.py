"""Creates a Python environment with exactly the packages of a lock file.

    python3 tools/environment.py FOLDER LOCK

pip runs with `--no-deps`, because the lock file lists every package: all versions of pip then
install the same files, regardless of later releases. Some versions of pip's resolver reject a
pinned package that another one requires as `name[extra]`.

This script runs before any package is installed, so it uses only the standard library.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

OLDEST_PIP: Final = Path(__file__).with_name("oldest-pip.lock")
"""Locks the pip of Python 3.11.0, which installs the packages if OLDEST_PIP is set."""


def make(folder: Path, lock: Path) -> None:
    """Create or replace the environment in `folder` with the packages of `lock`.

    Raises:
        subprocess.CalledProcessError: A package cannot be downloaded, has a different hash, or
            requires a package that the lock file does not list.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    locks = [OLDEST_PIP, lock] if os.environ.get("OLDEST_PIP") else [lock]
    for each in locks:
        install = (*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--requirement")
        subprocess.run([*install, each], check=True)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        make(Path(sys.argv[1]), Path(sys.argv[2]))
    except subprocess.CalledProcessError as error:
        words = " ".join(map(str, error.cmd))
        sys.exit(f"{sys.argv[1]}: `{words}` failed with exit code {error.returncode}; see above")
