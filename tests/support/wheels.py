"""The distributions of this repository as wheels, each in an environment of its own."""

import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from support.locks import locked
from support.programs import ROOT

PACKAGES: Final = {"tokenwire-client": "client", "tokenwire-demo": "demo", "tokenwire": "."}
"""Each distribution's folder."""

PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def build(folder: Path) -> dict[str, Path]:
    """Build all wheels into a folder and return them by the names of their distributions."""
    sources = [f"./{source}" for source in PACKAGES.values()]
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    subprocess.run([*PIP, "wheel", *options, *sources], cwd=ROOT, check=True)
    found = {path.name.partition("-")[0]: path for path in folder.iterdir()}
    return {name: found[name.replace("-", "_")] for name in PACKAGES}


class Environment:
    """A virtual environment with wheels and what locks list, and without pip.

    Locked packages are linked from the environment of the tests, which has the same versions:
    no index is asked.

    Args:
        folder: Where to make it.
        wheels: What to install.
        locks: What they need, by the lock's path below the repository.

    Raises:
        subprocess.CalledProcessError: A wheel needs what no lock lists.
    """

    def __init__(self, folder: Path, wheels: Iterable[Path], locks: Iterable[str]) -> None:
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        [self.site] = folder.glob("lib/*/site-packages")
        for lock in locks:
            for name, version in locked(ROOT / lock).items():
                package = distribution(name)
                assert package.version == version, f"{lock}: {name}"
                self._link(package)
        pip = (*PIP, "--python", self.bin / "python")
        subprocess.run([*pip, "install", "--no-deps", "--no-index", *wheels], check=True)
        subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)

    def packages(self) -> dict[str, int]:
        """Return each installed package and the bytes of its files."""
        found = distributions(path=[str(self.site)])
        return {canonicalize_name(each.name): _size(each) for each in found}

    def _link(self, package: Distribution) -> None:
        for file in package.files or ():
            # Scripts lie outside, and are not needed.
            if ".." not in file.parts and "__pycache__" not in file.parts:
                link = self.site / file
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    link.symlink_to(Path(str(package.locate_file(file))))


def _size(package: Distribution) -> int:
    files = [Path(str(package.locate_file(file))) for file in package.files or ()]
    # Bytecode is made as modules are first imported.
    kept = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    return sum(file.stat().st_size for file in kept)
