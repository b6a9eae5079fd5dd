"""grpcurl uses the service by reflection only."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format

from support.app import Stub
from support.helpers import collect
from support.programs import run
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2

pytestmark = pytest.mark.tools


async def test_lists_the_services(tools: Path, app: App) -> None:
    """The server lists the chat service, health, and both versions of reflection."""
    done = await run(tools / "grpcurl", "-plaintext", app.address, "list")

    assert done.code == 0, done.stderr
    assert set(done.stdout.split()) == {
        "openai.Chatgpt",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_describes_the_call(tools: Path, app: App) -> None:
    """The description of the service shows the method's name, its types and that it streams."""
    done = await run(tools / "grpcurl", "-plaintext", app.address, "describe", "openai.Chatgpt")

    assert done.code == 0, done.stderr
    assert "rpc Send ( .openai.Message ) returns ( stream .openai.Answer )" in done.stdout


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("openai.Chatgpt.Send", "rpc Send ( .openai.Message ) returns ( stream .openai.Answer )"),
        ("grpc.health.v1.Health.List", "rpc List ( .grpc.health.v1.HealthListRequest )"),
        ("grpc.reflection.v1.ServerReflection", ".grpc.reflection.v1.ServerReflectionRequest"),
        ("grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo", "rpc ServerReflection"),
    ],
)
async def test_describes_a_method(tools: Path, app: App, symbol: str, shown: str) -> None:
    """A method is described by its own name, including the methods of reflection."""
    done = await run(tools / "grpcurl", "-plaintext", app.address, "describe", symbol)

    assert done.code == 0, done.stderr
    assert shown in done.stdout


async def test_lists_the_health_of_all(tools: Path, app: App) -> None:
    """Health/List can be called like any other method."""
    done = await run(tools / "grpcurl", "-plaintext", app.address, "grpc.health.v1.Health/List")

    assert done.code == 0, done.stderr
    serving = {"status": "SERVING"}
    assert json.loads(done.stdout) == {"statuses": {"": serving, "openai.Chatgpt": serving}}


async def test_describes_a_message(tools: Path, app: App) -> None:
    """The description of a message shows its fields with their original numbers."""
    done = await run(tools / "grpcurl", "-plaintext", app.address, "describe", "openai.Message")

    assert done.code == 0, done.stderr
    assert "string content = 2;" in done.stdout
    assert ".openai.Params params = 3;" in done.stdout


async def test_calls_send(tools: Path, app: App, stub: Stub) -> None:
    """A call from the command line gets the same text as a generated client."""
    body = json.dumps({"content": "Hello from grpcurl"})
    call = ("-plaintext", "-max-time", "20", "-d", body, app.address, "openai.Chatgpt/Send")

    done = await run(tools / "grpcurl", *call)

    assert done.code == 0, done.stderr
    received = answers_in(done.stdout)
    expected = await collect(stub.Send(chatgpt_pb2.Message(content="Hello from grpcurl")))
    assert [a.content for a in received] == [a.content for a in expected]
    assert received[-1].finish_reason == expected[-1].finish_reason
    assert received[-1].usage == expected[-1].usage


async def test_shows_the_reason_of_a_refusal(tools: Path, app: App) -> None:
    """A rejected call shows its code and the service's reason."""
    call = ("-plaintext", "-d", json.dumps({"content": " "}), app.address, "openai.Chatgpt/Send")

    done = await run(tools / "grpcurl", *call)

    assert done.code != 0
    assert "InvalidArgument" in done.stderr
    assert "EMPTY_PROMPT" in done.stderr


def answers_in(text: str) -> list[chatgpt_pb2.Answer]:
    """Return the JSON objects that grpcurl prints one after another."""
    decoder = json.JSONDecoder()
    found = []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(json_format.ParseDict(value, chatgpt_pb2.Answer()))
        text = text[end:]
    return found
