"""The distributions of this repository as wheels, each in a separate environment."""

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
"""The folder of each distribution."""

PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def build(folder: Path) -> dict[str, Path]:
    """Build all wheels into a folder and return their paths by distribution name."""
    sources = [f"./{source}" for source in PACKAGES.values()]
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    subprocess.run([*PIP, "wheel", *options, *sources], cwd=ROOT, check=True)
    found = {path.name.partition("-")[0]: path for path in folder.iterdir()}
    return {name: found[name.replace("-", "_")] for name in PACKAGES}


class Environment:
    """A virtual environment with wheels and locked packages, but without pip.

    Locked packages are linked from the environment of the tests, which has the same versions,
    so no package index is used.

    Args:
        folder: The folder to create it in.
        wheels: The wheels to install.
        locks: The paths, below the repository, of the locks of their dependencies.

    Raises:
        subprocess.CalledProcessError: A wheel needs a package that no lock lists.
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
        """Return the total file size in bytes of each installed package."""
        found = distributions(path=[str(self.site)])
        return {canonicalize_name(each.name): _size(each) for each in found}

    def _link(self, package: Distribution) -> None:
        for file in package.files or ():
            # Scripts are outside of site-packages and not needed.
            if ".." not in file.parts and "__pycache__" not in file.parts:
                link = self.site / file
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    link.symlink_to(Path(str(package.locate_file(file))))


def _size(package: Distribution) -> int:
    files = [Path(str(package.locate_file(file))) for file in package.files or ()]
    # Bytecode is written only when modules are first imported.
    kept = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    return sum(file.stat().st_size for file in kept)
