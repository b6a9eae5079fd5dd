"""docs/tools.md: its code and its command run, and its limits are the service's own."""

import re
import shlex
from typing import Final

from support.app import StartApp
from support.command_line import TOKENWIRE, run
from support.fenced import defined_by, fenced
from support.programs import ROOT
from tokenwire.api.chatgpt.json_objects import MAX_SCHEMA_BYTES
from tokenwire.api.chatgpt.tools import MAX_TOOLS
from tokenwire_demo import DemoUpstream

DOC: Final = (ROOT / "docs" / "tools.md").read_text("utf-8")


async def test_its_functions_are_called(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The model calls the function, and its answer has the result."""
    app = await start_app()
    names = defined_by(fenced(DOC, "python")[0])
    answer = await names["ask_with_tools"](app.address, "What is the weather in Oslo?")
    assert "It rains in Oslo" in answer
    assert upstream.requests_seen == 2


async def test_its_schema_is_filled(start_app: StartApp) -> None:
    """The answer is an object of the class."""
    app = await start_app()
    names = defined_by(fenced(DOC, "python")[1])
    weather = await names["ask_for_weather"](app.address)
    assert isinstance(weather, names["Weather"])


async def test_its_command_runs(start_app: StartApp) -> None:
    """The command prints an answer, and the reasoning beside it."""
    app = await start_app()
    [command] = fenced(DOC, "sh")
    program, *arguments = shlex.split(command)
    assert program == "tokenwire"
    done = await run(*TOKENWIRE, *arguments, "--address", app.address)
    assert done.code == 0
    assert "built-in demo model" in done.stdout
    assert "does not reason" in done.stderr


def test_it_has_the_limits() -> None:
    """The limits of the table are the constants of the code."""
    [row] = re.findall(r"^\| Tools \| (.*) \|$", DOC, re.MULTILINE)
    assert row.startswith(f"{MAX_TOOLS}, ")
    assert f"{MAX_SCHEMA_BYTES:,} bytes" in row
