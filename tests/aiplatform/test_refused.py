"""Requests that are refused before anything is asked, by the name of what is wrong."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from support.aiplatform import (
    HELLO_BODY,
    AiplatformStub,
    aiplatform_stub,
    with_body,
    with_data,
)
from support.app import StartApp
from support.helpers import collect, reason_of, violated_fields_of
from support.unary import ending_of, error_of
from tokenwire.api.aiplatform.body import MAX_DEPTH
from tokenwire.api.aiplatform.request import REFUSED
from tokenwire_demo import DemoUpstream

INVALID = "INVALID_PARAMETER"
HI = {"role": "user", "content": "hi"}
BIG = 10**400


def said(**members: Any) -> dict[str, Any]:
    """Return a body with one message."""
    return {"messages": [{"role": "user", **members}]}


def part(**members: Any) -> dict[str, Any]:
    """Return a body with one part of a content."""
    return said(content=[members])


def tool(**members: Any) -> dict[str, Any]:
    """Return a body with one function."""
    return {"tools": [{"type": "function", "function": {"name": "a", **members}}]}


PART = "messages[0].content[0]"
AUDIO = f"{PART}.input_audio"
IMAGE = f"{PART}.image_url"
CALL = "messages[1].tool_calls[0]"


def called(call: Any) -> dict[str, Any]:
    """Return a body with a call of a tool."""
    answer = {"role": "assistant", "tool_calls": [call]}
    return {"messages": [HI, answer, HI]}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": 7}, "model"),
    ({"model": {"a": 1}}, "model"),
    ({"model": "x" * 300}, "model"),
    ({"stream": "true"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": {"include_usage": True}, "stream": False}, "stream_options"),
    ({"stream_options": True}, "stream_options"),
    ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ({"n": 2}, "n"),
    ({"n": "1"}, "n"),
    ({"n": BIG}, "n"),
    ({"messages": "hi"}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [None]}, "messages[0]"),
    ({"messages": [{"content": "hi"}]}, "messages[0].role"),
    ({"messages": [{"role": 1, "content": "hi"}]}, "messages[0].role"),
    (said(content=7), "messages[0].content"),
    (said(content=["hi"]), f"{PART}"),
    (said(content=[{}]), f"{PART}.type"),
    (said(content=[{"type": "text", "text": "x"}] * 129), "messages[0].content"),
    (part(type="text"), f"{PART}.text"),
    (part(type="text", text=7), f"{PART}.text"),
    (part(type="image_url", image_url="http://x"), IMAGE),
    (part(type="image_url", image_url={}), f"{IMAGE}.url"),
    (part(type="image_url", image_url={"url": "file:///etc/passwd"}), f"{IMAGE}.url"),
    (part(type="image_url", image_url={"url": "data:image/png;base64,?"}), f"{IMAGE}.url"),
    (part(type="image_url", image_url={"url": "data:image/png;base64,"}), f"{IMAGE}.url"),
    (part(type="image_url", image_url={"url": "data:text/html;base64,AA=="}), f"{IMAGE}.url"),
    (
        part(type="input_audio", input_audio={"data": "?", "format": "mp3"}),
        f"{PART}.input_audio.data",
    ),
    (part(type="file", file={"file_data": "x"}), f"{PART}.file.file_data"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    (
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]},
        "messages[0].tool_call_id",
    ),
    (called("x"), CALL),
    (called({"id": "1"}), f"{CALL}.function"),
    (called({"id": "1", "function": {"name": ""}}), f"{CALL}.function.name"),
    (called({"function": {"name": "a"}}), f"{CALL}.id"),
    (
        called({"id": "1", "function": {"name": "a", "arguments": "[1]"}}),
        f"{CALL}.function.arguments",
    ),
    (
        {"messages": [HI, {"role": "assistant", "encrypted_content": "x"}, HI]},
        "messages[1].encrypted_content",
    ),
    ({"messages": [HI] * 20_000}, "messages"),
    ({"temperature": 3}, "temperature"),
    ({"temperature": "1"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"temperature": BIG}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_completion_tokens": 1 << 40}, "max_completion_tokens"),
    ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
    ({"seed": BIG}, "seed"),
    ({"seed": 1 << 63}, "seed"),
    ({"stop": 7}, "stop"),
    ({"stop": [""]}, "stop"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"stop": [1]}, "stop"),
    ({"top_logprobs": 1}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"logit_bias": {"x": 1}}, "logit_bias"),
    ({"logit_bias": {"1": "x"}}, "logit_bias"),
    ({"logit_bias": {"99999999999": 1}}, "logit_bias"),
    ({"logit_bias": {"1": 101}}, "logit_bias[1]"),
    ({"logit_bias": {str(token): 1 for token in range(2_000)}}, "logit_bias"),
    ({"user": "x" * 300}, "user"),
    ({"service_tier": 1}, "service_tier"),
    ({"tools": {}}, "tools"),
    ({"tools": [1]}, "tools[0]"),
    ({"tools": [{}]}, "tools[0].type"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    (tool(parameters="{}"), "tools[0].function.parameters"),
    (tool(parameters={"type": "array"}), "tools[0].function.parameters"),
    (tool(parameters={"type": 7}), "tools[0].function.parameters"),
    (tool(strict="x"), "tools[0].function.strict"),
    ({"tools": [*tool()["tools"]] * 2}, "tools[1].function.name"),
    ({"tools": [*tool()["tools"]] * 129}, "tools"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({**tool(), "tool_choice": 7}, "tool_choice"),
    (
        {**tool(), "tool_choice": {"type": "function", "function": {"name": "b"}}},
        "tool_choice.function.name",
    ),
    ({"parallel_tool_calls": True}, "parallel_tool_calls"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
        "response_format.json_schema.schema",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 7}}}},
        "response_format.json_schema.schema",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
        "response_format.json_schema.name",
    ),
    ({"reasoning_effort": 7}, "reasoning_effort"),
    *(({name: ["x"]}, name) for name in sorted(REFUSED)),
]


async def test_wrong_values_are_named(
    vertex: AiplatformStub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """A member of another type or out of range is INVALID_PARAMETER, by its path in the body."""
    for body, field in WRONG:
        with subtests.test(field=field, body=str(body)[:60]):
            request = with_body({"stream": True, **HELLO_BODY, **body})
            error = await error_of(collect(vertex.call(request)))
            assert (reason_of(error), violated_fields_of(error)) == (INVALID, [field])
    assert upstream.requests_seen == 0


BLANK: list[Any] = [
    {"messages": []},
    {"messages": None},
    said(content=""),
    said(content=" \n"),
    said(content=None),
    said(content=[]),
    said(content=[{"type": "text", "text": " "}]),
    said(),
]


async def test_an_empty_prompt(
    vertex: AiplatformStub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """A body without messages, or with a blank last one of the user, is EMPTY_PROMPT."""
    for body in BLANK:
        with subtests.test(body=str(body)):
            error = await error_of(vertex.whole(**body))
            assert reason_of(error) == "EMPTY_PROMPT"
            [field] = violated_fields_of(error)
            assert field in ("messages", "messages[0].content")
    error = await error_of(collect(vertex.call(with_body({}))))
    assert reason_of(error) == "EMPTY_PROMPT"
    assert upstream.requests_seen == 0


HELLO = json.dumps(HELLO_BODY).encode()
MALFORMED = {
    "nothing": b"",
    "garbage": b"\x00\xff",
    "half an object": HELLO[:-1],
    "two objects": HELLO * 2,
    "a byte order mark": b"\xef\xbb\xbf" + HELLO,
    "invalid UTF-8": HELLO.replace(b"hello", b"\xff"),
    "invalid UTF-8 in a name": HELLO.replace(b"{", b'{"\xff": 1,', 1),
    "a lone surrogate": HELLO.replace(b"hello", b"\\ud800"),
    "a low surrogate": HELLO.replace(b"hello", b"\\udc00x"),
    "NaN": HELLO.replace(b"{", b'{"temperature": NaN,', 1),
    "infinity": HELLO.replace(b"{", b'{"temperature": -Infinity,', 1),
    "a number beyond all": HELLO.replace(b"{", b'{"temperature": 1e999,', 1),
    "digits without end": HELLO.replace(b"{", b'{"seed": ' + b"7" * 100_000 + b",", 1),
    "control characters": HELLO.replace(b"hello", b"\n"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_json(vertex: AiplatformStub, upstream: DemoUpstream, name: str) -> None:
    """A body that is not JSON in UTF-8 is MALFORMED_REQUEST."""
    call = collect(vertex.call(with_data(MALFORMED[name])))
    assert await ending_of(call) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
    assert upstream.requests_seen == 0


def wrapped(value: bytes) -> bytes:
    """Return a body with a further member."""
    return HELLO.replace(b"{", b'{"x": ' + value + b",", 1)


MANY = 1_000_000
HOSTILE = {
    "no object": b"[]",
    "a text": b'"hi"',
    "a number": b"7",
    "deep arrays": wrapped(b"[" * MANY + b"]" * MANY),
    "deep objects": wrapped(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "one level too deep": wrapped(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH),
    "many arrays": wrapped(b"[" + b"[]," * MANY + b"[]]"),
    "many objects": wrapped(b"[" + b"{}," * MANY + b"{}]"),
    "many numbers": wrapped(b"[" + b"0," * MANY + b"0]"),
    "many strings": wrapped(b"[" + b'"",' * MANY + b'""]'),
    "many members": wrapped(b"{" + b'"":0,' * MANY + b'"":0}'),
    "strings with escapes": wrapped(b"[" + rb'"\\\"",' * MANY + b'""]'),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_json(vertex: AiplatformStub, upstream: DemoUpstream, name: str) -> None:
    """Values that are too many or too deep are refused before objects are made of them."""
    error = await error_of(collect(vertex.call(with_data(HOSTILE[name]))))
    assert (reason_of(error), violated_fields_of(error)) == (INVALID, ["http_body.data"])
    assert upstream.requests_seen == 0


PUNCTUATED = "[{,\\\"'" * 50_000


async def test_punctuation_in_a_text_does_not_count(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """A long text of brackets, commas and quotes is a text, and nests nothing."""
    await vertex.whole(messages=[{"role": "user", "content": PUNCTUATED}])
    assert upstream.requests[-1].body["messages"][0]["content"] == PUNCTUATED


async def test_the_last_of_equal_names_counts(
    vertex: AiplatformStub, upstream: DemoUpstream
) -> None:
    """The upstream gets one member of each name, which is the one that was checked."""
    data = HELLO.replace(b"{", b'{"temperature": 9, "x": 1, "model": "no",', 1)
    data = data[:-1] + b', "model": "demo-model", "temperature": 1, "x": {"y": 1, "y": 2}}'
    await collect(vertex.call(with_data(data)))
    sent = upstream.requests[-1]
    assert sent.body["temperature"] == 1
    assert sent.body["x"] == {"y": 2}


@pytest.fixture
async def narrow(start_app: StartApp) -> AsyncIterator[AiplatformStub]:
    """A client of a server with little room for text."""
    app = await start_app(protocols="aiplatform", max_text_bytes=2_000)
    async with aiplatform_stub(app.address) as stub:
        yield stub


async def test_the_text_has_a_limit(narrow: AiplatformStub, upstream: DemoUpstream) -> None:
    """The limit of text holds for the body without the data of its images, audio and files."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "AAAA" * 1_000}}
    await narrow.whole(messages=[{"role": "user", "content": [image]}])
    error = await error_of(narrow.whole(messages=[{"role": "user", "content": "x" * 2_000}]))
    assert (reason_of(error), violated_fields_of(error)) == (INVALID, ["http_body.data"])
    assert upstream.requests_seen == 1


TYPES = {
    "": True,
    "application/json": True,
    "Application/JSON; charset=utf-8": True,
    "text/plain": False,
    "application/json-seq": False,
    "application/x-protobuf": False,
}


@pytest.mark.parametrize("content_type", TYPES)
async def test_content_types(vertex: AiplatformStub, content_type: str) -> None:
    """A body of a type other than JSON is refused."""
    call = collect(vertex.call(with_data(HELLO, content_type=content_type)))
    if TYPES[content_type]:
        assert await call
        return
    error = await error_of(call)
    assert (reason_of(error), violated_fields_of(error)) == (INVALID, ["http_body.content_type"])


ENDPOINTS = ("x", "projects/p", "projects/p/locations/l/endpoints/", "x" * 9_000, "a/b/c/d/e/f")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_endpoints_of_other_forms(vertex: AiplatformStub, endpoint: str) -> None:
    """An endpoint of another form than Google's is refused."""
    error = await error_of(vertex.whole(endpoint=endpoint))
    assert (reason_of(error), violated_fields_of(error)) == (INVALID, ["endpoint"])


async def test_fields_that_are_not_served(vertex: AiplatformStub) -> None:
    """Extensions of the body, and fields of no contract, are refused by their paths."""
    send: Any = vertex.channel.unary_stream(
        "/google.cloud.aiplatform.v1beta1.PredictionService/ChatCompletions"
    )
    plain = with_data(HELLO).SerializeToString()
    body = with_data(HELLO).http_body.SerializeToString() + b"\x20\x01"
    for request, field in (
        (with_data(HELLO, extensions=[AnyMessage()]).SerializeToString(), "http_body.extensions"),
        (plain + b"\x18\x01", "field 3"),
        (b"\x12" + bytes([len(body)]) + body, "http_body.field 4"),
    ):
        error = await error_of(collect(send(request)))
        assert (reason_of(error), violated_fields_of(error)) == (INVALID, [field])
    for request in (b"\xff", b"\x12\x05"):
        ending = await ending_of(collect(send(request)))
        assert ending == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")
