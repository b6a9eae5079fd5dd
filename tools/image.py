"""Build an image where there is neither a container daemon nor a registry.

`make image ENGINE=local` calls this in place of `docker build`, with the same arguments. It
needs root, Debian and Go. The Dockerfile stays as it is: stand-ins for its base images are made
first, of Debian's packages and this machine's Go, under the names that it uses.

Images are kept in a store of their own, .tools/image; `container` below runs them.
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
# Away from it: sockets lie in here, and their paths may have 107 characters.
STORE: Final = ("--root", str(PLACE / "store"), "--runroot", "/run/tokenwire-image")

SUITE: Final = "bookworm"
DEBIAN: Final = f"debian:{SUITE}-slim"
RECIPES: Final = ROOT / "tools" / "image"
# Base image -> what makes it.
STAND_INS: Final = {
    f"python:3.11-slim-{SUITE}": RECIPES / "python.Containerfile",
    f"golang:1.26-{SUITE}": RECIPES / "golang.Containerfile",
}

# What Docker's slim images leave out, and what is about the builder alone.
NOT_SLIM: Final = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
PACKAGE_LISTS: Final = ("var/cache/apt", "var/lib/apt/lists")
BUILDERS_OWN: Final = (
    *("etc/apt/sources.list", "etc/resolv.conf", "etc/hostname"),
    *("var/log/bootstrap.log", "var/log/dpkg.log"),
)


def podman(*arguments: str | Path) -> list[str | Path]:
    """Return the command that runs podman on the store.

    runc, because crun refuses to start containers where there is no systemd.
    """
    return ["podman", *STORE, "--runtime", "runc", "--cgroup-manager", "cgroupfs", *arguments]


def container(*arguments: str | Path) -> list[str | Path]:
    """Return the command that runs a container.

    It has limits of its own, because runc may not raise those of a builder with lower ones.
    """
    limits = ("--ulimit", "nofile=10000:10000", "--ulimit", "nproc=20000:20000")
    return podman("run", *limits, *arguments)


def build(*arguments: str | Path) -> None:
    """Run a build as `docker build` would, with this machine's ways to packages as secrets."""
    with tempfile.TemporaryDirectory() as folder:
        secrets = builder.options(Path(folder))
        # A chroot needs no daemon. OCI's own format has no place for a HEALTHCHECK.
        options = ("--isolation", "chroot", "--layers", "--format", "docker")
        run(["buildah", *STORE, "bud", *options, *secrets, *arguments])


def bring_bases() -> None:
    """Make the stand-ins that are missing or made by an older recipe."""
    pin = digest(Path(__file__), *STAND_INS.values(), go_root())
    stamp = PLACE / "bases"
    if stamp.exists() and stamp.read_text("utf-8") == pin:
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    # What stands on older bases is of no use any more.
    run(podman("rmi", "--all", "--force"))
    debian()
    for name, recipe in STAND_INS.items():
        build("--file", recipe, "--tag", name, go_root())
    stamp.write_text(pin, "utf-8")


def debian() -> None:
    """Make the base of the bases."""
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
        for path in BUILDERS_OWN:
            (root / path).unlink(missing_ok=True)
        archive = Path(folder) / "root.tar"
        run(["tar", "--directory", root, "--create", "--file", archive, "."])
        run(podman("import", "--quiet", archive, DEBIAN))


def go_root() -> str:
    """Return where Go is."""
    [root] = builder.said("go", "env", "GOROOT")
    return root


def run(command: list[str | Path]) -> None:
    """Run one step; a failure ends the run with the step's own words above."""
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        sys.exit(f"make image: `{words}` failed with exit code {done.returncode}; see above")


def main() -> None:
    """Build what the arguments say, which are those of `docker build`."""
    if os.geteuid() != 0:
        sys.exit("make image: ENGINE=local needs root; use Docker or Podman without it")
    bring_bases()
    build(*sys.argv[1:])
    # Earlier builds' stages quicken the next one, but add up.
    run(podman("image", "prune", "--force", "--filter", "until=24h"))


if __name__ == "__main__":
    main()
