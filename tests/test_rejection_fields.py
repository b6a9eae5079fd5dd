"""The parameters that an upstream's error is about."""

import json
from typing import Any

import grpc
import pytest

from support.helpers import violated_fields_of
from support.quirks import Got, player, response
from tokenwire.core import errors
from tokenwire.upstreams.openai.rejection import rejection
from tokenwire.v1 import chatgpt_pb2 as pb


def rejected(body: object) -> errors.UpstreamRejectedRequest:
    """Return the failure of a 400 with this JSON body, which must not be about the prompt."""
    failure = rejection(400, {}, json.dumps(body).encode())
    assert isinstance(failure, errors.UpstreamRejectedRequest)
    return failure


def said(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


OTHER_FIELDS: list[object] = [
    said("Invalid 'user': string too long. Expected at most 64.", param="user"),
    said("Invalid 'user': string too long. Expected at most 64."),
    said("max_tokens is too large: 5000. This model supports at most 4096 completion tokens."),
    said("'stop' has too many sequences"),
    said("max_tokens exceeds the maximum output tokens of the model"),
    {"detail": [{"loc": ["body", "stop"], "msg": "List too long", "type": "too_long"}]},
    {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than 2"}]},
    {"error": "Input validation error: `temperature` must be strictly positive"},
    {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]},
    said("'metadata' exceeds 16 keys"),
]


def test_another_fields_length(subtests: pytest.Subtests) -> None:
    """A limit on another field is not an error about the prompt."""
    for body in OTHER_FIELDS:
        with subtests.test(body=body):
            assert rejected(body)


NAMED_FIELDS: list[tuple[object, tuple[str, ...]]] = [
    (said("no", param="temperature"), ("params.temperature",)),
    (said("no", param="max_completion_tokens"), ("params.max_tokens",)),
    (said("no", param="stop[0]"), ("params.stop",)),
    ({"detail": [{"loc": ["body", "top_p"], "msg": "no"}]}, ("params.top_p",)),
    ({"detail": [{"loc": ["body", "user", 0], "msg": "no"}]}, ("params.user",)),
    (said("temperature must be non-negative, got -1"), ("params.temperature",)),
    (said("seed: must be an integer"), ("params.seed",)),
    (said("Unsupported value: 'user' must not be 'seed'"), ("params.user", "params.seed")),
    (said("Unrecognized request argument supplied: seed"), ("params.seed",)),
    (said("maxOutputTokens must be positive"), ("params.max_tokens",)),
    (said("no", param="topP"), ("params.top_p",)),
    (said("the user must not stop"), ()),
    (said("the property role of messages[0] must be user"), ("history",)),
    (said("no", param="messages[0].user"), ("history",)),
    (said("no", param="input"), ("history",)),
    (said("the assistant's image is not allowed"), ("parts", "history")),
    (said("temperature must be set for the assistant"), ("params.temperature",)),
    (said("no", param="canary"), ()),
    (said("JSON schema error at #/properties/a: cannot resolve $ref #/b"), ("format", "tools")),
    (said("Invalid grammar: a rule has no end"), ("format", "tools")),
    (said("no JSON schema", param="response_format"), ("format",)),
]


def test_named_fields(subtests: pytest.Subtests) -> None:
    """Fields named in the body are mapped to the contract's names; unknown fields are dropped."""
    for body, fields in NAMED_FIELDS:
        with subtests.test(body=body, fields=fields):
            assert rejected(body).fields == fields


UNSUPPORTED_PARTS: dict[str, object] = {
    "llama.cpp": said(
        "image input is not supported - hint: if this is unexpected, you may need to provide the "
        "mmproj",
        code=500,
        type="server_error",
    ),
    "llama.cpp, audio": said("audio input is not supported", code=500, type="server_error"),
    "Ollama": said("this model is missing data required for image input", type="api_error"),
}


async def test_parts_that_the_model_does_not_take(subtests: pytest.Subtests) -> None:
    """Also with a 500 it is the caller's error, and not repeated; without parts it is a failure."""
    part = pb.Part(inline=b"x", media_type="image/png")
    async with player() as upstream:
        for name, body in UNSUPPORTED_PARTS.items():
            encoded = json.dumps(body).encode()
            refused = response(
                encoded, status="500 Internal Server Error", content_type="application/json"
            )
            with subtests.test(name):
                got = await upstream.play(refused, pb.Message(content="x", parts=[part]))
                assert got == Got("", "INVALID_PARAMETER", grpc.StatusCode.INVALID_ARGUMENT)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == ["parts"]
                got = await upstream.play(refused, pb.Message(content="x"))
                assert got.reason == "UPSTREAM_REJECTED_REQUEST"


REFUSED_HISTORIES: list[object] = [
    said(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: call_x",
        param="messages",
    ),
    said("No tool output found for function call call_x.", param="input"),
    said("messages.1: `tool_use` ids were found without `tool_result` blocks immediately after"),
    said("This model does not support assistant message prefill."),
    said("Expected last role User or Tool (or Assistant with prefix True) but got assistant"),
    said("Conversation roles must alternate user/assistant/user/assistant/..."),
    {"detail": [{"loc": ["body", "messages", 1, "role"], "msg": "Input should be 'user'"}]},
]


async def test_a_history_that_the_upstream_refuses(subtests: pytest.Subtests) -> None:
    """It is the caller's error if the request has a history, and otherwise the service's."""
    turns = [pb.Turn(role=pb.ROLE_ASSISTANT, content="hello")]
    async with player() as upstream:
        for body in REFUSED_HISTORIES:
            encoded = json.dumps(body).encode()
            refused = response(encoded, status="400 Bad Request", content_type="application/json")
            with subtests.test(body=body):
                got = await upstream.play(refused, pb.Message(content="go on", history=turns))
                assert got == Got("", "INVALID_PARAMETER", grpc.StatusCode.INVALID_ARGUMENT)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == ["history"]
                got = await upstream.play(refused, pb.Message(content="go on"))
                assert got.reason == "UPSTREAM_REJECTED_REQUEST"
