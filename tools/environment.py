"""Make a Python environment that holds exactly what a lock file lists.

    python3 tools/environment.py FOLDER LOCK

pip resolves nothing here: the lock lists every package, so `--no-deps` installs the same
files with every pip, and whatever was published since. A resolver would ask what a package
needs and, by its version, refuse a pin that it meets again as `name[extra]`.

It runs before anything is installed, so it uses the standard library alone.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

OLDEST_PIP: Final = Path(__file__).with_name("oldest-pip.lock")
"""The pip that Python 3.11.0 brings: with the variable OLDEST_PIP set, it installs."""


def make(folder: Path, lock: Path) -> None:
    """Make the environment `folder` anew with the packages of `lock`.

    Raises:
        subprocess.CalledProcessError: A package cannot be had, has another hash, or needs one
            that the lock does not list.
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
