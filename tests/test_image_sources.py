"""What the image is built from, without building it."""

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
    """The file follows hadolint's rules, or says beside the line why not."""
    done = await run(Path(sys.executable).parent / "hadolint", ROOT / file)
    assert (done.code, done.stdout) == (0, "")


async def test_hadolint_sees_what_is_wrong(tmp_path: Path) -> None:
    """A base without a version is not let through."""
    (tmp_path / "Dockerfile").write_text("FROM python\nCMD tokenwire serve\n")
    done = await run(Path(sys.executable).parent / "hadolint", tmp_path / "Dockerfile")
    assert done.code == 1
    assert "DL3006" in done.stdout


def test_the_bases_can_be_pinned_and_have_stand_ins() -> None:
    """Each base is an argument with a version, and is one that can be made without a registry."""
    bases = {ARGUMENTS[name] for name in ("PYTHON_IMAGE", "GO_IMAGE")}
    assert bases == set(STAND_INS)
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", TEXT, re.MULTILINE))
    used = set(re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)) - stages
    assert used == {"${PYTHON_IMAGE}", "${GO_IMAGE}", "scratch"}


def test_the_image_has_the_projects_version() -> None:
    """Label and package say the same, and the probe inside is the one that tests use."""
    assert f'org.opencontainers.image.version="{__version__}"\n' in TEXT
    assert GO_TOOLS["grpc-health-probe"].endswith(f"@{ARGUMENTS['GRPC_HEALTH_PROBE']}")


def test_the_context_is_what_is_copied() -> None:
    """.dockerignore lets through exactly what the Dockerfile copies, and all of that is there."""
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in rules
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(COPIED)
    assert [path for path in COPIED if not (ROOT / path).exists()] == []


def test_no_step_keeps_a_secret() -> None:
    """What reaches packages comes by mounts alone; no argument or variable names a place."""
    assert not re.search(r"https?://(?!127\.0\.0\.1)", TEXT)
    fetching = re.findall(r"^RUN (?:.*\\\n)*?.*(?:--require-hashes|go install)", TEXT, re.MULTILINE)
    assert len(fetching) == TEXT.count("--require-hashes") + TEXT.count("go install")
    assert all("--mount=type=secret,id=ca" in step for step in fetching)
