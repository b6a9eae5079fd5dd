"""The commands of docs/image.md that build; tests/tools/test_image_doc.py has those that run."""

import re

import pytest

from support.image_doc import BUILDS, COMMANDS, MAKES, RUNS, options
from support.image_sources import ARGUMENTS, COPIED
from support.image_sources import TEXT as DOCKERFILE
from support.programs import ROOT, run
from tokenwire.upstreams.langchain.provider import PROVIDERS


def test_every_command_is_of_a_kind_that_is_tested() -> None:
    """Each command of the page belongs to exactly one of the kinds."""
    assert sorted([*MAKES, *BUILDS, *RUNS]) == sorted(COMMANDS)
    assert MAKES
    assert BUILDS
    assert RUNS


@pytest.mark.parametrize("command", MAKES)
async def test_every_make_target_is_there(command: str) -> None:
    """Each target on the page exists in the Makefile."""
    done = await run(*command.split(), "--dry-run")
    assert done.code == 0, done.stderr
    assert " build --" in done.stdout or "tools/image.py" in done.stdout


@pytest.mark.parametrize("command", BUILDS)
def test_every_build_gives_what_the_dockerfile_takes(command: str) -> None:
    """Each argument and secret of a build is declared in the Dockerfile."""
    arguments = {each.partition("=")[0] for each in options(command, "--build-arg")}
    secrets = set(re.findall(r"id=(\w+)", " ".join(options(command, "--secret"))))
    assert arguments | secrets
    assert arguments <= set(ARGUMENTS)
    assert secrets <= set(re.findall(r"type=secret,id=(\w+)", DOCKERFILE))
    locks = [each for each in options(command, "--build-arg") if each.startswith("LOCK=")]
    assert {each.removeprefix("LOCK=") for each in locks} <= set(COPIED)
    assert command.endswith(" --tag tokenwire:local .")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_image_may_have_every_provider(provider: str) -> None:
    """The page tells how the package of each provider gets into the image."""
    [command] = [each for each in BUILDS if f"LOCK=requirements-{provider}.lock" in each]
    assert (ROOT / f"requirements-{provider}.lock").is_file()
    assert command
