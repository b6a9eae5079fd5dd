"""Builds the image without a container daemon and without a registry.

`make image ENGINE=local` runs this instead of `docker build`, with the same arguments. It needs
root, Debian and Go. The Dockerfile is used unchanged: substitutes for its base images are built
first, from Debian's packages and this machine's Go, and tagged with the names that it uses.

The images are stored in .tools/image; `container` returns the command to run one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import builder
from tool import ROOT, TOOLS, digest

PLACE: Final = TOOLS.resolve() / "image"
# The run root is elsewhere: it contains sockets, whose paths are limited to 107 characters.
STORE: Final = ("--root", str(PLACE / "store"), "--runroot", "/run/tokenwire-image")

SUITE: Final = "bookworm"
DEBIAN: Final = f"debian:{SUITE}-slim"
RECIPES: Final = ROOT / "tools" / "image"
# Base image -> the file that builds its substitute.
STAND_INS: Final = {
    f"python:3.11-slim-{SUITE}": RECIPES / "python.Containerfile",
    f"golang:1.26-{SUITE}": RECIPES / "golang.Containerfile",
}

# Directories that Docker's slim images omit, and files that describe only the build machine.
NOT_SLIM: Final = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
PACKAGE_LISTS: Final = ("var/cache/apt", "var/lib/apt/lists")
BUILD_MACHINE_FILES: Final = (
    *("etc/apt/sources.list", "etc/resolv.conf", "etc/hostname"),
    *("var/log/bootstrap.log", "var/log/dpkg.log"),
)


def podman(*arguments: str | Path) -> list[str | Path]:
    """Return the command that runs podman with the local store.

    The runtime is runc, because crun does not start containers without systemd.
    """
    return ["podman", *STORE, "--runtime", "runc", "--cgroup-manager", "cgroupfs", *arguments]


def container(*arguments: str | Path) -> list[str | Path]:
    """Return the command that runs a container.

    The limits are explicit, because runc cannot raise its defaults above the limits of this
    process.
    """
    limits = ("--ulimit", "nofile=10000:10000", "--ulimit", "nproc=20000:20000")
    return podman("run", *limits, *arguments)


def build(*arguments: str | Path) -> None:
    """Run a build like `docker build`, with this machine's package sources as secrets."""
    with tempfile.TemporaryDirectory() as folder:
        secrets = builder.options(Path(folder))
        # Chroot isolation needs no daemon. The OCI format does not support HEALTHCHECK.
        options = ("--isolation", "chroot", "--layers", "--format", "docker")
        run(["buildah", *STORE, "bud", *options, *secrets, *arguments])


def ensure_bases() -> None:
    """Build the substitutes of the base images, unless they are up to date."""
    pin = digest(Path(__file__), *STAND_INS.values(), go_root())
    stamp = PLACE / "bases"
    if stamp.exists() and stamp.read_text("utf-8") == pin:
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    # Images built on older bases are useless.
    run(podman("rmi", "--all", "--force"))
    debian()
    for name, recipe in STAND_INS.items():
        build("--file", recipe, "--tag", name, go_root())
    stamp.write_text(pin, "utf-8")


def debian() -> None:
    """Build the substitute of Debian's image, on which the other substitutes are based."""
    archives = [site for site, suite, part in builder.debian_archives() if suite == SUITE]
    if not archives:
        sys.exit(f"make image: apt-get knows no archive of Debian {SUITE}; add one to its sources")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        wanted = ("--variant=minbase", "--include=ca-certificates")
        run(["debootstrap", *wanted, SUITE, root, archives[0]])
        for path in (*NOT_SLIM, *PACKAGE_LISTS):
            shutil.rmtree(root / path)
            (root / path).mkdir()
        for path in BUILD_MACHINE_FILES:
            (root / path).unlink(missing_ok=True)
        archive = Path(folder) / "root.tar"
        run(["tar", "--directory", root, "--create", "--file", archive, "."])
        run(podman("import", "--quiet", archive, DEBIAN))


def go_root() -> str:
    """Return the directory of the Go installation."""
    [root] = builder.output_lines("go", "env", "GOROOT")
    return root


def run(command: list[str | Path]) -> None:
    """Run one step; exit with one line if it fails, below the step's own output."""
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        sys.exit(f"make image: `{words}` failed with exit code {done.returncode}; see above")


def main() -> None:
    """Build the image; the arguments are those of `docker build`."""
    if os.geteuid() != 0:
        sys.exit("make image: ENGINE=local needs root; use Docker or Podman without it")
    ensure_bases()
    build(*sys.argv[1:])
    # The stages of recent builds are a cache; older ones only take space.
    run(podman("image", "prune", "--force", "--filter", "until=24h"))


if __name__ == "__main__":
    main()
