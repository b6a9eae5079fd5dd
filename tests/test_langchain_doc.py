"""docs/langchain.md: its code runs, and its tables are those of the code."""

import re
from collections.abc import Callable
from typing import Any, Final

import grpc
import pytest

from support.app import StartApp
from support.chat_model import in_thread
from support.fenced import defined_by, fenced
from support.programs import ROOT
from support.scripted_server import ScriptedServer, fails, reason, says
from tokenwire.core import errors
from tokenwire_client import ChatError
from tokenwire_client import langchain as package
from tokenwire_client.langchain import ChatTokenwire
from tokenwire_client.langchain.errors import langchain_error
from tokenwire_demo import DemoUpstream

DOC: Final = (ROOT / "docs" / "langchain.md").read_text("utf-8")
BLOCKS: Final = fenced(DOC, "python")


async def called(block: int, name: str, *arguments: Any) -> Any:
    """Return the result of a function of the page, run in a thread."""
    function: Callable[..., Any] = defined_by(BLOCKS[block])[name]
    return await in_thread(lambda: function(*arguments))


async def test_its_first_call(start_app: StartApp, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is printed and returned."""
    app = await start_app()
    assert "built-in demo model" in await called(0, "answer_of", app.address)
    assert "built-in demo model" in capsys.readouterr().out


async def test_its_agent(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The agent calls its tool and answers with the result."""
    app = await start_app()
    ask = defined_by(BLOCKS[1])["ask_the_agent"]
    assert "It rains in Oslo" in await ask(app.address, "What is the weather in Oslo?")
    assert upstream.requests_seen == 2


async def test_its_object(start_app: StartApp) -> None:
    """The answer is an object of the class."""
    app = await start_app()
    weather = await called(2, "weather_in", app.address, "Oslo")
    assert type(weather).__name__ == "Weather"


async def test_its_image(start_app: StartApp) -> None:
    """The image arrives at the model."""
    app = await start_app()
    picture = (ROOT / "examples" / "circle.png").read_bytes()
    assert "image/png" in await called(3, "describe", app.address, picture)


async def test_its_reasoning(start_app: StartApp) -> None:
    """The reasoning is in the content blocks."""
    app = await start_app()
    assert "does not reason" in await called(4, "reasoning_of", app.address, "Why?")


async def test_its_fallback() -> None:
    """The second server answers if the first is full."""
    full = fails(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", reason("SERVER_OVERLOADED"))
    async with ScriptedServer(full) as first, ScriptedServer(says("b")) as second:
        assert await called(5, "ask_either", first.address, second.address, "Why?") == "b"


def test_it_has_every_parameter() -> None:
    """The table of parameters has each field of the class, and no other."""
    rows = DOC.partition("## Parameters")[2].partition("\n## ")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    inherited = set(ChatTokenwire.__mro__[2].model_fields)  # type: ignore[attr-defined]
    own = set(ChatTokenwire.model_fields) - inherited
    assert named == own


def test_it_has_every_exception() -> None:
    """The table of failures has each exception, with LangChain's class that it is."""
    table = re.findall(r"^\| .* \| `(Tokenwire\w+)` \| `(\w+)` \|$", DOC, re.MULTILINE)
    exceptions = {name for name in package.__all__ if name.endswith("Error")}
    assert {name for name, _ in table} == exceptions
    for name, base in table:
        assert base in {each.__name__ for each in getattr(package, name).__mro__}


def reasons_below(kind: type[errors.ServiceError]) -> set[str]:
    found = {getattr(kind, "reason", "")}
    return found.union(*(reasons_below(each) for each in kind.__subclasses__()))


def test_its_reasons_exist() -> None:
    """Each reason that the table names is one of the server, and has the exception of its row."""
    reasons = reasons_below(errors.ServiceError)
    rows = re.findall(r"^\| (.*`[A-Z_]+`.*) \| `(Tokenwire\w+)` \|", DOC, re.MULTILINE)
    assert len(rows) == 3
    for cells, name in rows:
        for each in re.findall(r"`([A-Z_]+)`", cells):
            assert each in reasons
            error = ChatError(grpc.StatusCode.FAILED_PRECONDITION, "no", each)
            assert type(langchain_error(error)).__name__ == name
