"""The official `xai-sdk`, in an environment of its own, in front of this service."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.app import StartApp
from support.certificates import Mount, Pair
from support.exposed import read
from support.fenced import fenced
from support.gateway import gateway_world
from support.limits import KEY, callers
from support.process import ServerProcess
from support.programs import ROOT, run
from tokenwire.api.xai.service import METHODS
from tokenwire.app import App
from tokenwire.xai.v1 import xai_pb2 as pb
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

SCRIPT = Path(__file__).with_name("xai_client.py")
PYTHON = ROOT / ".tools" / "xai" / "bin" / "python"
PAID = "demo-model=1:2"


async def call(scenario: str, address: str, key: str = "any") -> Any:
    """Run a scenario of the script against a server of this machine, and return its result."""
    return await call_with(scenario, f"localhost:{address.rpartition(':')[2]}", key)


async def call_with(*arguments: str, env: Mapping[str, str] | None = None) -> Any:
    """Run the script with arguments, and return its result."""
    done = await run(PYTHON, "-W", "ignore", SCRIPT, *arguments, env=env, within=60)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
async def server(start_app: StartApp) -> App:
    """A server of xAI's API."""
    return await start_app(protocols="xai", prices=PAID)


async def test_a_stream(start_app: StartApp) -> None:
    """The pieces are the answer, which ends with a reason, a usage and a cost."""
    server = await start_app(protocols="xai", prices=PAID, merge_tokens=False)
    found = await call("stream", server.address)
    assert "".join(found["pieces"]) == found["content"]
    assert "You sent 2 words." in found["content"]
    assert "System prompt: 2 words." in found["content"]
    assert len(found["pieces"]) > 10
    assert (found["role"], found["finish_reason"]) == ("ROLE_ASSISTANT", "REASON_STOP")
    assert found["id"]
    cost = (found["prompt_tokens"] + 2 * found["completion_tokens"]) / 1_000_000
    assert found["cost"] == pytest.approx(cost)


async def test_a_whole_answer(server: App) -> None:
    """`sample` returns the answer, and `append` continues the conversation."""
    found = await call("sample", server.address)
    assert "Earlier turns in this conversation: 2" in found["content"]
    assert found["finish_reason"] == "REASON_STOP"


async def test_asyncio(server: App) -> None:
    """The client for asyncio works too."""
    streamed, whole = await call("with_asyncio", server.address)
    assert streamed == whole


async def test_another_host(start_app: StartApp, tmp_path: Path) -> None:
    """A host other than localhost needs the flag, or with TLS the file of its authority."""
    server = await start_app(protocols="xai")
    assert await call_with("sample", server.address, "any", "plaintext")
    pair = Pair()
    authority = tmp_path / "ca.pem"
    authority.write_bytes(pair.authority)
    server = await start_app(protocols="xai", **Mount(tmp_path).put(pair).settings)
    trusted = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(authority)}
    assert await call_with("sample", server.address, "any", env=trusted)


async def test_parse(server: App, upstream: DemoUpstream) -> None:
    """`parse` returns an object of a class, whose schema the upstream gets without `strict`."""
    assert await call("parse", server.address) == {"summary": "simulated", "degrees": 1}
    form = upstream.requests[-1].body["response_format"]["json_schema"]
    assert "strict" not in form


async def test_tools(server: App, upstream: DemoUpstream) -> None:
    """A call of a tool arrives whole in both ways, and its result returns with the reasoning."""
    streamed, first, whole, second = await call("tools", server.address)
    assert streamed == whole == ["REASON_TOOL_CALLS", True]
    for text in (first, second):
        assert "The result of get_weather: sunny in Paris." in text
    assistant = upstream.requests[-1].body["messages"][1]
    assert assistant["reasoning_content"]


async def test_an_image(server: App) -> None:
    """An image in a data URL reaches the model."""
    assert "an image of type image/png, 16 bytes" in await call("picture", server.address)


async def test_what_is_refused(server: App, upstream: DemoUpstream) -> None:
    """Fields that are not served, or out of range, fail in both ways."""
    found = await call("refused", server.address)
    assert found == [["INVALID_ARGUMENT", "INVALID_PARAMETER"]] * 5
    assert upstream.requests_seen == 0


async def test_models_and_key(server: App) -> None:
    """The models have their prices; without callers the key has no name."""
    found = await call("catalog", server.address)
    assert found == {"models": ["demo-model"], "price": 10_000, "key": ""}


@pytest.mark.parametrize(
    ("plan", "ending", "calls"),
    [
        ("status 500", ["UNAVAILABLE", "UPSTREAM_ERROR"], 1),
        ("status 429", ["RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED"], 1),
        ("status 401", ["FAILED_PRECONDITION", "UPSTREAM_AUTH_REJECTED"], 1),
        ("tokens 3; reset", ["ABORTED", "UPSTREAM_STREAM_BROKEN"], 1),
    ],
)
async def test_failures(
    server: App, upstream: DemoUpstream, plan: str, ending: list[str], calls: int
) -> None:
    """A failure has its code and its reason, and the client's five attempts are stopped at one."""
    upstream.script(*[plan] * 12)
    assert await call("fails", server.address) == [ending] * 2
    exposed = await read(server)
    for method in ("GetCompletion", "GetCompletionChunk"):
        labels = {"grpc_service": "xai_api.Chat", "grpc_method": method}
        assert exposed.total("grpc_server_started_total", **labels) == calls


async def test_a_wait_is_kept(server: App, upstream: DemoUpstream) -> None:
    """Where the upstream says how long to wait, the client retries after it, and gets an answer."""
    upstream.script("status 503 retry-after=1", "answer", "status 503 retry-after=1", "answer")
    assert await call("fails", server.address) == [["OK", ""]] * 2


MODELS = {"demo-model": {"routes": "one/b", "price": {"input": 1, "output": 2000}}}


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Any]:
    """A server with a caller that has a budget."""
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=callers(dollars="2/d"), protocols="xai"
    ) as world:
        yield world


async def test_a_wrong_key(limited: Any) -> None:
    """A key that nobody has is UNAUTHENTICATED; the right one has its caller's name."""
    wrong = ["UNAUTHENTICATED", "CREDENTIALS_INVALID"]
    assert await call("fails", limited.app.address, "wrong") == [wrong] * 2
    assert (await call("catalog", limited.app.address, KEY))["key"] == "team"


async def test_a_budget_cuts_an_answer(limited: Any) -> None:
    """A budget that is used up ends a stream within it, after what it paid for."""
    limited.upstreams["one"].script('filler 100000 "word "; finish; done')
    found = await call("cut", limited.app.address, KEY)
    assert found["ending"] == ["RESOURCE_EXHAUSTED", "CALLER_BUDGET_EXHAUSTED"]
    assert found["pieces"] > 0


async def test_the_contract_is_that_of_the_package(server: App) -> None:
    """Every field, value and method that is served has the number and the type of the package."""
    theirs = await call("contract", server.address)
    for name, message in pb.DESCRIPTOR.message_types_by_name.items():
        for field in message.fields:
            assert theirs["fields"][name][field.name] == [field.number, field.type]
    for name, enum in pb.DESCRIPTOR.enum_types_by_name.items():
        for value in enum.values:
            assert theirs["values"][name][value.name] == value.number
    assert {method.path for method in METHODS} <= set(theirs["methods"])


async def test_the_document_works(tmp_path: Path) -> None:
    """The command of docs/clients.md starts a server, and its code prints the answers."""
    text = (ROOT / "docs" / "clients.md").read_text("utf-8").partition("## google-cloud")[0]
    [command] = fenced(text, "sh")
    [code] = fenced(text, "python")
    setting, *words = command.split()
    assert words[:2] == ["tokenwire", "serve"]
    name, _, value = setting.partition("=")
    script = tmp_path / "client.py"
    async with ServerProcess(*words[2:], env={name: value}) as server:
        port = server.address.rpartition(":")[2]
        script.write_text(code.replace("50051", port))
        done = await run(PYTHON, "-W", "ignore", script, within=60)
    assert done.code == 0, done.stderr
    assert "You sent 1 word." in done.stdout
    assert "city='simulated' degrees=1" in done.stdout
