"""Requests of xAI's API that are rejected: the error names the field as that API has it."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.internal.encoder import TagBytes

from support.app import StartApp
from support.gateway import gateway_world
from support.helpers import reason_of, violated_fields_of
from support.unary import error_of
from support.xai import XaiStubs, asked, called, function, said, xai_stubs
from tokenwire.api.xai.unserved import UNSERVED
from tokenwire.xai.v1 import xai_pb2 as pb
from tokenwire_demo import DemoUpstream

HELLO = said("hello")
OTHER: Any = 2
"""A kind or a state of calls that xAI's API has and this service does not serve."""
TEXT = pb.ResponseFormat(format_type=pb.FORMAT_TYPE_TEXT, schema="{}")
NOT_A_SCHEMA = pb.ResponseFormat(format_type=pb.FORMAT_TYPE_JSON_SCHEMA, schema="[]")


def answered(**fields: Any) -> list[pb.Message]:
    """Return a conversation with a message of the model."""
    return [HELLO, pb.Message(role=pb.ROLE_ASSISTANT, **fields), HELLO]


def content(**fields: Any) -> list[pb.Message]:
    """Return a conversation whose second message has one content."""
    second = pb.Message(role=pb.ROLE_USER, content=[pb.Content(**fields)])
    return [said("s", role=pb.ROLE_SYSTEM), second]


def image(url: str, **fields: Any) -> list[pb.Message]:
    return content(image_url=pb.ImageUrlContent(image_url=url, **fields))


REJECTED: list[tuple[str, list[pb.Message], dict[str, Any]]] = [
    ("n", [HELLO], {"n": 2}),
    ("n", [HELLO], {"n": 0}),
    ("temperature", [HELLO], {"temperature": 3}),
    ("top_p", [HELLO], {"top_p": 0}),
    ("max_tokens", [HELLO], {"max_tokens": 0}),
    ("frequency_penalty", [HELLO], {"frequency_penalty": float("nan")}),
    ("presence_penalty", [HELLO], {"presence_penalty": 2.5}),
    ("stop", [HELLO], {"stop": [""]}),
    ("stop", [HELLO], {"stop": list("abcde")}),
    ("user", [HELLO], {"user": "a\n"}),
    ("model", [HELLO], {"model": "a\n"}),
    ("top_logprobs", [HELLO], {"top_logprobs": 3}),
    ("top_logprobs", [HELLO], {"logprobs": True, "top_logprobs": 21}),
    ("reasoning_effort", [HELLO], {"reasoning_effort": pb.INVALID_EFFORT}),
    ("reasoning_effort", [HELLO], {"reasoning_effort": 77}),
    ("service_tier", [HELLO], {"service_tier": 77}),
    ("response_format.format_type", [HELLO], {"response_format": pb.ResponseFormat()}),
    ("response_format.schema", [HELLO], {"response_format": TEXT}),
    ("response_format.schema", [HELLO], {"response_format": NOT_A_SCHEMA}),
    ("tools[0].function", [HELLO], {"tools": [pb.Tool()]}),
    ("tools[1].function.name", [HELLO], {"tools": [function(), function("a b")]}),
    ("tools[0].function.parameters", [HELLO], {"tools": [function(parameters="[]")]}),
    ("tool_choice", [HELLO], {"tool_choice": pb.ToolChoice(mode=pb.TOOL_MODE_AUTO)}),
    ("tool_choice", [HELLO], {"tools": [function()], "tool_choice": pb.ToolChoice()}),
    (
        "tool_choice.mode",
        [HELLO],
        {"tools": [function()], "tool_choice": pb.ToolChoice(mode=pb.TOOL_MODE_INVALID)},
    ),
    (
        "tool_choice.function_name",
        [HELLO],
        {"tools": [function()], "tool_choice": pb.ToolChoice(function_name="x")},
    ),
    ("parallel_tool_calls", [HELLO], {"parallel_tool_calls": True}),
    ("messages[1].role", [HELLO, said("x", role=pb.INVALID_ROLE)], {}),
    ("messages[1].role", [HELLO, said("x", role=pb.ROLE_FUNCTION)], {}),
    ("messages[1].role", [HELLO, said("x", role=pb.ROLE_ASSISTANT)], {}),
    ("messages[0].role", [said("x", role=pb.ROLE_SYSTEM)], {}),
    ("messages[1].content[0]", content(), {}),
    ("messages[1].content[0].image_url.image_url", image("ftp://x/a"), {}),
    ("messages[1].content[0].image_url.image_url", image("aGVsbG8="), {}),
    ("messages[1].content[0].image_url.image_url", image("data:text/plain;base64,eA=="), {}),
    ("messages[1].content[0].image_url.image_url", image("data:image/png;base64,@"), {}),
    ("messages[1].content[0].image_url.image_url", image("data:image/png;base64,"), {}),
    ("messages[1].content[0].image_url.detail", image("https://x/a.png", detail=77), {}),
    ("messages[1].content", image("https://x/a b.png"), {}),
    ("messages[1].content[0].file", content(file=pb.FileContent(mime_type="text/plain")), {}),
    ("messages[1].content[0].file.mime_type", content(file=pb.FileContent(data=b"x")), {}),
    (
        "messages[1].content",
        [
            HELLO,
            pb.Message(
                role=pb.ROLE_ASSISTANT,
                content=[pb.Content(image_url=pb.ImageUrlContent(image_url="https://x/a.png"))],
            ),
            HELLO,
        ],
        {},
    ),
    ("messages[1].tool_call_id", [HELLO, said("x", role=pb.ROLE_TOOL)], {}),
    ("messages[1].tool_call_id", answered(tool_call_id="1"), {}),
    ("messages[0].tool_calls", [pb.Message(role=pb.ROLE_USER, tool_calls=[called("1")])], {}),
    ("messages[0].reasoning_content", [pb.Message(role=pb.ROLE_USER, reasoning_content="x")], {}),
    ("messages[0].encrypted_content", [pb.Message(role=pb.ROLE_USER, encrypted_content="x")], {}),
    ("messages[1].encrypted_content", answered(encrypted_content="x"), {}),
    ("messages[1].encrypted_content", answered(encrypted_content="eA==."), {}),
    ("messages[1].tool_calls[0].function", answered(tool_calls=[pb.ToolCall(id="1")]), {}),
    ("messages[1].tool_calls[0].id", answered(tool_calls=[called("")]), {}),
    ("messages[1].tool_calls[0].function.name", answered(tool_calls=[called("1", "")]), {}),
    (
        "messages[1].tool_calls[0].function.arguments",
        answered(tool_calls=[called("1", arguments="[")]),
        {},
    ),
    (
        "messages[1].tool_calls[0].type",
        answered(tool_calls=[pb.ToolCall(id="1", type=OTHER, function=pb.FunctionCall(name="x"))]),
        {},
    ),
    (
        "messages[1].tool_calls[0].status",
        answered(
            tool_calls=[pb.ToolCall(id="1", status=OTHER, function=pb.FunctionCall(name="x"))]
        ),
        {},
    ),
]


async def test_an_invalid_field_is_named(
    xai: XaiStubs, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """A value that cannot be honoured is INVALID_PARAMETER, and nothing is asked upstream."""
    for field, messages, fields in REJECTED:
        with subtests.test(field=field, messages=str(messages), fields=str(fields)):
            error = await error_of(xai.chat.GetCompletion(asked(*messages, **fields)))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(error) == "INVALID_PARAMETER"
            assert violated_fields_of(error) == [field]
    assert upstream.requests_seen == 0


EMPTY = {
    "messages": pb.GetCompletionsRequest(),
    "messages[0].content": asked(said(" ")),
    "messages[1].content": asked(said("s", role=pb.ROLE_SYSTEM), said()),
}


@pytest.mark.parametrize("field", EMPTY)
async def test_an_empty_prompt_is_rejected(xai: XaiStubs, field: str) -> None:
    """A request without a text is EMPTY_PROMPT, as for openai.Chatgpt."""
    error = await error_of(xai.chat.GetCompletion(EMPTY[field]))
    assert (reason_of(error), violated_fields_of(error)) == ("EMPTY_PROMPT", [field])


def unknown(number: int) -> bytes:
    """Return a field with an empty message or text."""
    return TagBytes(number, 2) + b"\x00"


def with_field(kind: str, number: int) -> pb.GetCompletionsRequest:
    """Return a request in which one message of a type has another field."""
    call = called("1")
    tool = function()
    picture = pb.ImageUrlContent(image_url="https://x/a.png")
    file = pb.FileContent(url="https://x/a.pdf", mime_type="application/pdf")
    message = said("hello")
    of_kind: dict[str, Any] = {
        "ToolCall": call,
        "Tool": tool,
        "ImageUrlContent": picture,
        "FileContent": file,
        "Message": message,
    }
    if kind in of_kind:
        of_kind[kind].MergeFromString(unknown(number))
    message.content.add(image_url=picture)
    message.content.add(file=file)
    turn = pb.Message(role=pb.ROLE_ASSISTANT, tool_calls=[call])
    request = asked(said("a"), turn, message, tools=[tool])
    if kind == "GetCompletionsRequest":
        request.MergeFromString(unknown(number))
    return request


PATHS = {
    "GetCompletionsRequest": "",
    "Message": "messages[2].",
    "ImageUrlContent": "messages[2].content[1].image_url.",
    "FileContent": "messages[2].content[2].file.",
    "Tool": "tools[0].",
    "ToolCall": "messages[1].tool_calls[0].",
}


async def test_a_field_that_is_not_served_is_named(
    xai: XaiStubs, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """A field of xAI's API that this service lacks is INVALID_PARAMETER and never ignored."""
    for kind, names in UNSERVED.items():
        for number, name in [*names.items(), (500, "field 500")]:
            with subtests.test(kind=kind, name=name):
                error = await error_of(xai.chat.GetCompletion(with_field(kind, number)))
                assert reason_of(error) == "INVALID_PARAMETER"
                assert violated_fields_of(error) == [PATHS[kind] + name]
    assert upstream.requests_seen == 0


def test_the_contract_reserves_what_is_not_served() -> None:
    """Each field that is rejected by name is reserved in the contract, and no other."""
    found = {}
    for name, message in pb.DESCRIPTOR.message_types_by_name.items():
        proto = DescriptorProto()
        message.CopyToProto(proto)
        numbers = [n for each in proto.reserved_range for n in range(each.start, each.end)]
        if numbers:
            found[name] = (sorted(numbers), sorted(proto.reserved_name))
    assert found == {
        name: (sorted(fields), sorted(fields.values())) for name, fields in UNSERVED.items()
    }


ABILITIES = {
    "tools": asked(tools=[function()]),
    "response_format": asked(
        response_format=pb.ResponseFormat(format_type=pb.FORMAT_TYPE_JSON_OBJECT)
    ),
    "reasoning_effort": asked(reasoning_effort=pb.EFFORT_LOW),
    "messages": asked(*image("https://x/a.png")),
}


async def test_what_a_model_cannot_do_is_named(tmp_path: Any, subtests: pytest.Subtests) -> None:
    """UNSUPPORTED_BY_MODEL has the field's name in both methods."""
    models = {"plain": {"routes": "one/a", "abilities": ["chat"]}}
    async with (
        gateway_world(tmp_path, models, {"one": {}}, protocols="xai") as world,
        xai_stubs(world.app.address) as stubs,
    ):
        for field, request in ABILITIES.items():
            for call in (stubs.chat.GetCompletion(request), stubs.stream(request)):
                with subtests.test(field=field):
                    error = await error_of(call)
                    assert reason_of(error) == "UNSUPPORTED_BY_MODEL"
                    assert violated_fields_of(error)[0].startswith(field)
        error = await error_of(stubs.chat.GetCompletion(asked(model="none")))
        assert (reason_of(error), violated_fields_of(error)) == ("UNKNOWN_MODEL", ["model"])


async def test_what_an_upstream_rejects_is_named(xai: XaiStubs, upstream: DemoUpstream) -> None:
    """A parameter that the upstream rejects has the name of xAI's API in both methods."""
    plan = 'status 400 param=temperature message="bad value"'
    upstream.script(plan, plan)
    for call in (
        xai.chat.GetCompletion(asked(temperature=1)),
        xai.stream(asked(temperature=1)),
    ):
        error = await error_of(call)
        assert (reason_of(error), violated_fields_of(error)) == (
            "INVALID_PARAMETER",
            ["temperature"],
        )


LARGE = {
    "messages": asked(*[HELLO] * 11),
    "messages.content": asked(said(*"x" * 129)),
    "tools": asked(tools=[function()] * 129),
    "request": asked(said("x" * 3_000)),
}


@pytest.mark.parametrize("field", LARGE)
async def test_the_limits_of_fields_apply(start_app: StartApp, field: str) -> None:
    """Lists and text beyond the limits are rejected by name, and inline data has its own limit."""
    app = await start_app(protocols="xai", max_turns=8, max_text_bytes=2_048)
    async with xai_stubs(app.address) as stubs:
        error = await error_of(stubs.chat.GetCompletion(LARGE[field]))
        assert (reason_of(error), violated_fields_of(error)) == ("INVALID_PARAMETER", [field])
        data = "data:image/png;base64," + "AAAA" * 1_000
        assert (await stubs.chat.GetCompletion(asked(*image(data)))).outputs


async def test_an_unusual_encoding_is_no_unknown_field(xai: XaiStubs) -> None:
    """A request whose sender writes fields twice, or sends defaults, is accepted."""
    data = asked(model="first").SerializeToString() + asked(n=1).SerializeToString()
    call: Any = xai.channel.unary_unary("/xai_api.Chat/GetCompletion")
    response = pb.GetChatCompletionResponse.FromString(await call(data + b"\x28\x00"))
    assert response.model == "first"


async def test_bytes_that_are_no_request(xai: XaiStubs) -> None:
    """Bytes that cannot be parsed are MALFORMED_REQUEST in every method with fields."""
    for path in ("Chat/GetCompletion", "Chat/GetCompletionChunk", "Models/GetLanguageModel"):
        call: Any = xai.channel.unary_unary(f"/xai_api.{path}")
        error = await error_of(call(b"\x0a\xff"))
        assert reason_of(error) == "MALFORMED_REQUEST"
