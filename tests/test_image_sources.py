"""The sources of the image, without building it."""

import re
import sys
from pathlib import Path

import pytest

from image import RECIPES, STAND_INS
from install import GO_TOOLS
from support.image_sources import ARGUMENTS, COPIED, TEXT
from support.programs import ROOT, run
from tokenwire import __version__

FILES = ["Dockerfile", *sorted(str(path.relative_to(ROOT)) for path in RECIPES.glob("*file"))]


@pytest.mark.parametrize("file", FILES)
async def test_hadolint_has_nothing_to_say(file: str) -> None:
    """The file follows hadolint's rules, or explains each exception beside the line."""
    done = await run(Path(sys.executable).parent / "hadolint", ROOT / file)
    assert (done.code, done.stdout) == (0, "")


async def test_hadolint_sees_what_is_wrong(tmp_path: Path) -> None:
    """A base image without a version is rejected."""
    (tmp_path / "Dockerfile").write_text("FROM python\nCMD tokenwire serve\n")
    done = await run(Path(sys.executable).parent / "hadolint", tmp_path / "Dockerfile")
    assert done.code == 1
    assert "DL3006" in done.stdout


def test_the_bases_can_be_pinned_and_have_stand_ins() -> None:
    """Each base image is an argument with a version, and has a stand-in that needs no registry."""
    bases = {ARGUMENTS[name] for name in ("PYTHON_IMAGE", "GO_IMAGE")}
    assert bases == set(STAND_INS)
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", TEXT, re.MULTILINE))
    used = set(re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)) - stages
    assert used == {"${PYTHON_IMAGE}", "${GO_IMAGE}", "scratch"}


def test_the_image_has_the_projects_version() -> None:
    """Label and package have the same version, and the image contains the probe that tests use."""
    assert f'org.opencontainers.image.version="{__version__}"\n' in TEXT
    assert GO_TOOLS["grpc-health-probe"].endswith(f"@{ARGUMENTS['GRPC_HEALTH_PROBE']}")


def test_the_context_is_what_is_copied() -> None:
    """.dockerignore allows exactly the paths that the Dockerfile copies, and all of them exist."""
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in rules
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(COPIED)
    assert [path for path in COPIED if not (ROOT / path).exists()] == []


def test_no_step_keeps_a_secret() -> None:
    """Secrets and package sources come from mounts only; no argument or variable contains a URL."""
    assert not re.search(r"https?://(?!127\.0\.0\.1)", TEXT)
    fetching = re.findall(r"^RUN (?:.*\\\n)*?.*(?:--require-hashes|go install)", TEXT, re.MULTILINE)
    assert len(fetching) == TEXT.count("--require-hashes") + TEXT.count("go install")
    assert all("--mount=type=secret,id=ca" in step for step in fetching)
