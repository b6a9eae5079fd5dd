"""How Python environments are built, with packages that the tests create."""

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

import environment
from support.programs import ROOT

pytestmark = pytest.mark.slow

LOCKED_INSTALLS = {"Dockerfile": 2, "tools/environment.py": 1, "tools/llama_server.py": 1}
"""The files in which pip installs from a lock, and how often each does."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all packages that pip can find."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("OLDEST_PIP", raising=False)
    return folder


def publish(index: Path, name: str, version: str, *needs: str) -> str:
    """Add an empty package to `index` and return its line of a lock file."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += ["Provides-Extra: extra", *(f"Requires-Dist: {need}" for need in needs)]
    wheel = ["Wheel-Version: 1.0", "Generator: test", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    path = index / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", "\n".join(wheel) + "\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def test_a_lock_holds_whatever_is_published_later(index: Path, tmp_path: Path) -> None:
    """A pin that another package requires with an extra is installed despite a newer version."""
    lock = tmp_path / "lock"
    lock.write_text(publish(index, "base", "1.0") + publish(index, "user", "1.0", "base[extra]>=1"))
    publish(index, "base", "2.0")
    environment.make(tmp_path / "made", lock)
    [installed] = (tmp_path / "made").glob("lib/*/site-packages/base-*")
    assert installed.name == "base-1.0.dist-info"


def test_an_incomplete_lock_is_refused(index: Path, tmp_path: Path) -> None:
    """An environment fails to build if the lock lacks a dependency."""
    lock = tmp_path / "lock"
    lock.write_text(publish(index, "user", "1.0", "base>=1"))
    with pytest.raises(subprocess.CalledProcessError, match="check"):
        environment.make(tmp_path / "made", lock)


def test_pip_resolves_nothing_anywhere() -> None:
    """Every install from a lock makes pip install the lock's packages and no others."""
    sources = [ROOT / "Dockerfile", ROOT / "Makefile", *ROOT.glob("tools/*.py")]
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sources}
    locked = {file: text.count("--require-hashes") for file, text in texts.items()}
    assert {file: count for file, count in locked.items() if count} == LOCKED_INSTALLS
    for file, count in LOCKED_INSTALLS.items():
        assert len(re.findall(r"--no-deps\W+--require-hashes", texts[file])) == count


def test_ci_begins_as_a_fresh_machine() -> None:
    """CI uses the oldest pip that the README allows, built wheels and empty caches."""
    exported = re.findall(r"^export (.*)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    names = {each.partition("=")[0] for line in exported for each in line.split()}
    assert names == {
        "OLDEST_PIP",
        "WHEELS",
        "PIP_CACHE_DIR",
        "npm_config_cache",
        "GOCACHE",
        "GOMODCACHE",
        "GOTMPDIR",
        "MAVEN_OPTS",
    }
    assert environment.OLDEST_PIP.read_text("utf-8").count("--hash=sha256:") == 1


def test_wheels_are_installed_where_they_are_asked_for() -> None:
    """`make WHEELS=yes` installs built wheels; `make` installs the source folders as editable."""
    installs = {}
    for wheels in ("", "yes"):
        command = ("make", "--dry-run", "--always-make", f"WHEELS={wheels}", ".venv/.ready")
        made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        [line] = [line for line in made.stdout.splitlines() if "--no-build-isolation" in line]
        installs[wheels] = line.partition("--no-build-isolation ")[2]
    assert installs == {
        "": "--editable ./client --editable ./demo --editable .",
        "yes": "./client ./demo .",
    }
