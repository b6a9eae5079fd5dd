"""The real `google-cloud-aiplatform`, in an environment of its own, in front of this service."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.app import StartApp
from support.fenced import fenced
from support.gateway import gateway_world
from support.limits import KEY, callers
from support.process import ServerProcess
from support.programs import ROOT, run
from tokenwire.app import App
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]

SCRIPT = Path(__file__).with_name("aiplatform_client.py")
PYTHON = ROOT / ".tools" / "aiplatform" / "bin" / "python"


async def call(scenario: str, address: str, key: str = "any") -> Any:
    """Run a scenario of the script, and return its result."""
    done = await run(PYTHON, "-W", "ignore", SCRIPT, scenario, address, key, within=120)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
async def server(start_app: StartApp) -> App:
    """A server of Vertex AI's API."""
    return await start_app(protocols="aiplatform")


async def test_answers(server: App) -> None:
    """A stream and a whole answer have the text and the usage."""
    text, count, usage, whole = await call("answers", server.address)
    [choice] = whole["choices"]
    assert text == choice["message"]["content"]
    assert "You sent 2 words." in text
    assert count > 10
    assert usage == whole["usage"]
    assert choice["finish_reason"] == "stop"


async def test_asyncio(server: App) -> None:
    """The client for asyncio works too."""
    streamed, whole = await call("with_asyncio", server.address)
    assert streamed == whole


async def test_tools(server: App) -> None:
    """A call of a tool and its result make the round trip in both forms."""
    for text in await call("tools", server.address):
        assert "The result of get_weather: sunny in Paris." in text


async def test_error_details(server: App, upstream: DemoUpstream) -> None:
    """The package's exceptions have the code, the reason, the wait and the fields."""
    upstream.script(*["status 503 retry-after=7"] * 4)
    expected = ["UNAVAILABLE", "UPSTREAM_ERROR", 7.0, []]
    assert await call("fails", server.address) == [expected] * 2
    found = await call("refused", server.address)
    assert found == ["INVALID_ARGUMENT", "INVALID_PARAMETER", None, ["temperature"]]


async def test_who_leaves(server: App, upstream: DemoUpstream) -> None:
    """Cancellation and deadline end the request upstream."""
    upstream.script("tokens 2; stall", "stall")
    assert await call("leaves", server.address) == [True, "DEADLINE_EXCEEDED"]
    await upstream.wait_until_disconnected()


async def test_keys(tmp_path: Path) -> None:
    """A caller's key in `x-goog-api-key` is accepted, and another one is not."""
    models = {"demo-model": {"routes": "one/a"}}
    async with gateway_world(
        tmp_path, models, {"one": {}}, callers=callers(), protocols="aiplatform"
    ) as world:
        assert await call("fails", world.app.address, KEY) == [["OK"]] * 2
        wrong: list[Any] = ["UNAUTHENTICATED", "CREDENTIALS_INVALID", None, []]
        assert await call("fails", world.app.address, "wrong") == [wrong] * 2


async def test_the_document_works(tmp_path: Path) -> None:
    """The command of docs/clients.md starts a server, and its code prints the answer."""
    text = (ROOT / "docs" / "clients.md").read_text("utf-8").partition("## google-cloud")[2]
    [command] = fenced(text, "sh")
    [code] = fenced(text, "python")
    setting, *words = command.split()
    assert words[:2] == ["tokenwire", "serve"]
    name, _, value = setting.partition("=")
    script = tmp_path / "client.py"
    async with ServerProcess(*words[2:], env={name: value}) as server:
        script.write_text(code.replace("50051", server.address.rpartition(":")[2]))
        done = await run(PYTHON, "-W", "ignore", script, within=120)
    assert done.code == 0, done.stderr
    assert "You sent 1 word." in done.stdout
