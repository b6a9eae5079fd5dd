"""Requests of xAI's API that are rejected: the error names the field as that API has it."""

from typing import Any

import grpc
import pytest

from support.app import StartApp
from support.helpers import reason_of, violated_fields_of
from support.unary import error_of
from support.xai import XaiStubs, asked, called, function, image, said, xai_stubs
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


def picture(url: str, **fields: Any) -> list[pb.Message]:
    """Return a conversation whose second message has an image."""
    return [
        said("s", role=pb.ROLE_SYSTEM),
        pb.Message(role=pb.ROLE_USER, content=[image(url, **fields)]),
    ]


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
    ("messages[1].content[0].image_url.image_url", picture("ftp://x/a"), {}),
    ("messages[1].content[0].image_url.image_url", picture("aGVsbG8="), {}),
    ("messages[1].content[0].image_url.image_url", picture("data:text/plain;base64,eA=="), {}),
    ("messages[1].content[0].image_url.image_url", picture("data:image/png;base64,@"), {}),
    ("messages[1].content[0].image_url.image_url", picture("data:image/png;base64,"), {}),
    ("messages[1].content[0].image_url.detail", picture("https://x/a.png", detail=77), {}),
    ("messages[1].content", picture("https://x/a b.png"), {}),
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
        assert (await stubs.chat.GetCompletion(asked(*picture(data)))).outputs


async def test_bytes_that_are_no_request(xai: XaiStubs) -> None:
    """Bytes that cannot be parsed are MALFORMED_REQUEST in every method with fields."""
    for path in ("Chat/GetCompletion", "Chat/GetCompletionChunk", "Models/GetLanguageModel"):
        call: Any = xai.channel.unary_unary(f"/xai_api.{path}")
        error = await error_of(call(b"\x0a\xff"))
        assert reason_of(error) == "MALFORMED_REQUEST"
