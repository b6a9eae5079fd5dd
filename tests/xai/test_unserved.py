"""Fields of xAI's API that are not served, or not by a model: the error names them."""

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.internal.encoder import TagBytes

from support.app import StartApp
from support.gateway import gateway_world
from support.helpers import reason_of, violated_fields_of
from support.unary import error_of
from support.xai import XaiStubs, asked, called, function, image, said, xai_stubs
from tokenwire.api.xai.unserved import UNSERVED
from tokenwire.xai.v1 import xai_pb2 as pb
from tokenwire_demo import DemoUpstream


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
    "messages": asked(pb.Message(role=pb.ROLE_USER, content=[image("https://x/a.png")])),
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


async def test_what_an_upstream_rejects_is_named_by_its_message(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Both methods name the message whose content the upstream does not take."""
    app = await start_app(protocols="xai", dialect="responses")
    system, hello = said("s", role=pb.ROLE_SYSTEM), said("hello")
    seen = pb.Message(role=pb.ROLE_USER, content=[image("https://x/a.png")])
    audio = pb.FileContent(url="https://x/a.wav", mime_type="audio/wav")
    heard = pb.Message(role=pb.ROLE_USER, content=[pb.Content(file=audio)])
    plan = 'status 400 message="does not support images"'
    async with xai_stubs(app.address) as stubs:
        for request, field in (
            (asked(system, hello, seen), "messages[2].content"),
            (asked(system, heard, hello), "messages[1].content"),
            (asked(system, seen, hello), "messages"),
        ):
            for call in (stubs.chat.GetCompletion, stubs.stream):
                upstream.script(plan)
                error = await error_of(call(request))
                upstream.clear()
                assert reason_of(error) == "INVALID_PARAMETER"
                assert violated_fields_of(error) == [field]


async def test_an_unusual_encoding_is_no_unknown_field(xai: XaiStubs) -> None:
    """A request whose sender writes fields twice, or sends defaults, is accepted."""
    data = asked(model="first").SerializeToString() + asked(n=1).SerializeToString()
    call: Any = xai.channel.unary_unary("/xai_api.Chat/GetCompletion")
    response = pb.GetChatCompletionResponse.FromString(await call(data + b"\x28\x00"))
    assert response.model == "first"
