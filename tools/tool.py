"""A pinned tool that is not a Python package, and helpers to install it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
BIN = TOOLS / "bin"


@dataclass(frozen=True)
class Tool:
    """A tool to install.

    Attributes:
        name: The name of the tool and of its stamp.
        pin: Identifies the version to install; the tool is reinstalled when it changes.
        proof: A file that exists after a successful installation.
        install: Installs the tool.
    """

    name: str
    pin: str
    proof: Path
    install: Callable[[], None]

    @property
    def stamp(self) -> Path:
        """The file with the pin of the last successful installation."""
        return TOOLS / "stamps" / self.name

    def ready(self) -> bool:
        """Return whether exactly this pin is installed."""
        return self.proof.exists() and self.stamp.exists() and self.stamp.read_text() == self.pin

    def ensure(self) -> None:
        """Install the pin unless it is already installed."""
        if self.ready():
            return
        print(f"installing {self.name}", flush=True)
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.unlink(missing_ok=True)
        self.install()
        if not self.proof.exists():
            sys.exit(
                f"make tools: {self.name} was installed, but {self.proof} does not exist; "
                "there may be no build for this platform"
            )
        self.stamp.write_text(self.pin)


def run(*command: str | Path, cwd: Path = ROOT, **extra_environment: str) -> None:
    """Run one installer; exit with one line if it fails, below the installer's own output."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **extra_environment}, check=False)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        sys.exit(f"make tools: `{words}` failed with exit code {done.returncode}; see above")


def digest(*parts: Path | str) -> str:
    """Return a pin: the hash of the contents of files and of words."""
    pin = hashlib.sha256()
    for part in parts:
        pin.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return pin.hexdigest()


def link(program: Path) -> None:
    """Link `program` into BIN."""
    BIN.mkdir(parents=True, exist_ok=True)
    place = BIN / program.name
    place.unlink(missing_ok=True)
    place.symlink_to(os.path.relpath(program, BIN))


def environment(folder: Path, lock: Path) -> None:
    """Install a lock file into an environment of its own, because its pins differ from ours."""
    run(sys.executable, ROOT / "tools" / "environment.py", folder, lock)


def go_install(package: str, *flags: str) -> None:
    """Install a Go program into BIN; `package` ends with its version."""
    run("go", "install", *flags, package, GOBIN=str(BIN))
