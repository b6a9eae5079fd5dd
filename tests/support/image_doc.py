"""The commands of docs/image.md, by program."""

import itertools
import shlex
from typing import Final

from support.fenced import fenced
from support.programs import ROOT

TEXT: Final = (ROOT / "docs" / "image.md").read_text("utf-8")
COMMANDS: Final = fenced(TEXT, "sh")
MAKES: Final = [command for command in COMMANDS if command.startswith("make ")]
BUILDS: Final = [command for command in COMMANDS if command.startswith("docker build ")]
RUNS: Final = [command for command in COMMANDS if command.startswith("docker run ")]


def options(command: str, option: str) -> list[str]:
    """Return the values of an option that may occur several times."""
    words = shlex.split(command)
    return [value for name, value in itertools.pairwise(words) if name == option]
