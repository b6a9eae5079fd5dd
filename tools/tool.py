"""One outside tool with its pin, and the ways to install it."""

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
    """One thing to install.

    Attributes:
        name: the name of its stamp.
        pin: what must be installed; another pin means installing again.
        proof: a file that a good install leaves behind.
        install: installs it.
    """

    name: str
    pin: str
    proof: Path
    install: Callable[[], None]

    @property
    def stamp(self) -> Path:
        """The file that holds the pin of the last good install."""
        return TOOLS / "stamps" / self.name

    def ready(self) -> bool:
        """Tell whether exactly this pin is installed."""
        return self.proof.exists() and self.stamp.exists() and self.stamp.read_text() == self.pin

    def bring(self) -> None:
        """Install the pin unless it is there already."""
        if self.ready():
            return
        print(f"installing {self.name}", flush=True)
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.unlink(missing_ok=True)
        self.install()
        if not self.proof.exists():
            sys.exit(
                f"make tools: {self.name} was installed but {self.proof} is not there; "
                "it may have no build for this platform"
            )
        self.stamp.write_text(self.pin)


def run(*command: str | Path, cwd: Path = ROOT, **extra_environment: str) -> None:
    """Run one installer; a failure ends the run with the installer's own words above."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **extra_environment}, check=False)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        sys.exit(f"make tools: `{words}` failed with exit code {done.returncode}; see above")


def digest(*parts: Path | str) -> str:
    """Hash files and words into a pin."""
    pin = hashlib.sha256()
    for part in parts:
        pin.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return pin.hexdigest()


def link(program: Path) -> None:
    """Make `program` callable from the one folder where all tools are found."""
    BIN.mkdir(parents=True, exist_ok=True)
    place = BIN / program.name
    place.unlink(missing_ok=True)
    place.symlink_to(os.path.relpath(program, BIN))


def environment(folder: Path, lock: Path) -> None:
    """Install what the lock file says into an environment of its own: its pins are not ours."""
    run(sys.executable, ROOT / "tools" / "environment.py", folder, lock)


def go_install(package: str, *flags: str) -> None:
    """Build a program of a Go module; `package` ends with its version."""
    run("go", "install", *flags, package, GOBIN=str(BIN))
