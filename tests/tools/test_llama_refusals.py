"""What llama.cpp's server refuses, and how such calls end."""

import grpc
import pytest

from support.app import StartApp, Stub
from support.helpers import failure_of, reason_of, violated_fields_of
from support.llama_server import MODEL, LlamaServer
from support.tiny_model import CONTEXT, TOOL
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

UNRESOLVED = '{"type": "object", "properties": {"a": {"$ref": "#/b"}}}'

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_prompt_beyond_the_context(llama_stub: Stub) -> None:
    """A prompt with more tokens than the context has fails with PROMPT_TOO_LONG."""
    answers, error = await failure_of(
        llama_stub.Send(pb.Message(content="a" * (CONTEXT + 1)), timeout=60)
    )
    assert answers == []
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(error) == "PROMPT_TOO_LONG"


REFUSED: dict[str, pb.Message] = {
    "parts": pb.Message(content="x", parts=[pb.Part(inline=b"x", media_type="image/png")]),
    "format": pb.Message(
        content="x", format=pb.Format(json_schema=pb.JsonSchema(name="x", schema=UNRESOLVED))
    ),
    "tools": pb.Message(content="x", tools=[pb.Tool(name=TOOL, parameters=UNRESOLVED)]),
}


@pytest.mark.parametrize("field", REFUSED)
async def test_a_field_that_the_server_refuses(llama_stub: Stub, field: str) -> None:
    """An image for a model of text, and schemas that it cannot follow, are the caller's error."""
    _, error = await failure_of(llama_stub.Send(REFUSED[field], timeout=60))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(error) == "INVALID_PARAMETER"
    assert violated_fields_of(error) == [field]


async def test_a_wrong_key(llama: LlamaServer, start_app: StartApp) -> None:
    """A key that the server rejects fails with UPSTREAM_AUTH_REJECTED."""
    app = await start_app(base_url=llama.base_url, api_key="wrong", model=MODEL)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        _, error = await failure_of(stub.Send(pb.Message(content="Hello"), timeout=60))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(error) == "UPSTREAM_AUTH_REJECTED"
