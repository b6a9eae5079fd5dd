"""Requests of xAI's API: what the upstream receives for each field."""

import base64
import json
from typing import Any

import pytest

from support.app import StartApp
from support.xai import XaiStubs, asked, called, function, image, said, xai_stubs
from tokenwire.xai.v1 import xai_pb2 as pb
from tokenwire_demo import DemoUpstream

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}}'
PNG = b"\x89PNG\r\n\x1a\n" * 2
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
LOOKUP = function(description="finds", parameters=SCHEMA, strict=True)
SENT_TOOL = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "finds",
        "parameters": json.loads(SCHEMA),
        "strict": True,
    },
}

FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "n": ({"n": 1}, {}),
    "model": ({"model": "other"}, {"model": "other"}),
    "frequency_penalty": ({"frequency_penalty": 0.5}, {"frequency_penalty": 0.5}),
    "presence_penalty": ({"presence_penalty": -2}, {"presence_penalty": -2}),
    "temperature": ({"temperature": 0}, {"temperature": 0}),
    "top_p": ({"top_p": 0.7}, {"top_p": 0.7}),
    "max_tokens": ({"max_tokens": 7}, {"max_tokens": 7}),
    "seed": ({"seed": -3}, {"seed": -3}),
    "stop": ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
    "user": ({"user": "u"}, {"user": "u"}),
    "logprobs": ({"logprobs": True}, {"logprobs": True}),
    "top_logprobs": (
        {"logprobs": True, "top_logprobs": 3},
        {"logprobs": True, "top_logprobs": 3},
    ),
    "effort": ({"reasoning_effort": pb.EFFORT_XHIGH}, {"reasoning_effort": "xhigh"}),
    "no effort": ({"reasoning_effort": pb.EFFORT_NONE}, {"reasoning_effort": "none"}),
    "text": ({"response_format": pb.ResponseFormat(format_type=pb.FORMAT_TYPE_TEXT)}, {}),
    "json": (
        {"response_format": pb.ResponseFormat(format_type=pb.FORMAT_TYPE_JSON_OBJECT)},
        {"response_format": {"type": "json_object"}},
    ),
    "schema": (
        {
            "response_format": pb.ResponseFormat(
                format_type=pb.FORMAT_TYPE_JSON_SCHEMA, schema=SCHEMA
            )
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": json.loads(SCHEMA)},
            }
        },
    ),
    "tools": ({"tools": [LOOKUP]}, {"tools": [SENT_TOOL]}),
    "auto": (
        {"tools": [LOOKUP], "tool_choice": pb.ToolChoice(mode=pb.TOOL_MODE_AUTO)},
        {"tools": [SENT_TOOL], "tool_choice": "auto"},
    ),
    "none": (
        {"tools": [LOOKUP], "tool_choice": pb.ToolChoice(mode=pb.TOOL_MODE_NONE)},
        {"tools": [SENT_TOOL], "tool_choice": "none"},
    ),
    "required": (
        {"tools": [LOOKUP], "tool_choice": pb.ToolChoice(mode=pb.TOOL_MODE_REQUIRED)},
        {"tools": [SENT_TOOL], "tool_choice": "required"},
    ),
    "one function": (
        {"tools": [LOOKUP], "tool_choice": pb.ToolChoice(function_name="lookup")},
        {
            "tools": [SENT_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "lookup"}},
        },
    ),
    "parallel": (
        {"tools": [LOOKUP], "parallel_tool_calls": False},
        {"tools": [SENT_TOOL], "parallel_tool_calls": False},
    ),
    "encrypted": ({"use_encrypted_content": True}, {}),
    "tier": ({"service_tier": pb.SERVICE_TIER_PRIORITY}, {"service_tier": "priority"}),
    "usual tier": ({"service_tier": pb.SERVICE_TIER_DEFAULT}, {"service_tier": "default"}),
}
ALWAYS = {"stream", "stream_options", "messages"}
USER = {"role": "user", "content": "hello"}


@pytest.mark.parametrize("name", FIELDS)
async def test_a_field_is_sent_upstream(xai: XaiStubs, upstream: DemoUpstream, name: str) -> None:
    """Each field has its parameter in the upstream's request, and adds no other."""
    fields, parameters = FIELDS[name]
    await xai.chat.GetCompletion(asked(**fields))
    body = upstream.requests[-1].body
    sent = {key: value for key, value in body.items() if key not in ALWAYS}
    assert sent == {"model": "demo-model"} | parameters
    assert body["messages"] == [USER]


def sent_image(url: str, **fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


CONVERSATIONS: dict[str, tuple[list[pb.Message], list[dict[str, Any]]]] = {
    "system": (
        [said("s", role=pb.ROLE_SYSTEM), said("hello")],
        [{"role": "system", "content": "s"}, USER],
    ),
    "developer": (
        [said("s", role=pb.ROLE_DEVELOPER), said("hello")],
        [{"role": "system", "content": "s"}, USER],
    ),
    "instructions within": (
        [
            said("s", role=pb.ROLE_SYSTEM),
            said("t", role=pb.ROLE_SYSTEM),
            said("a"),
            said("b", role=pb.ROLE_ASSISTANT),
            said("d", role=pb.ROLE_DEVELOPER),
            said("hello"),
        ],
        [
            {"role": "system", "content": "s"},
            {"role": "system", "content": "t"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "system", "content": "d"},
            USER,
        ],
    ),
    "several texts": ([said("one", "", "two")], [{"role": "user", "content": "one\ntwo"}]),
    "image": (
        [
            pb.Message(
                role=pb.ROLE_USER,
                content=[
                    image(DATA, detail=pb.DETAIL_HIGH),
                    pb.Content(text="what?"),
                    image("https://example.com/a.png"),
                ],
            )
        ],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what?"},
                    sent_image(DATA, detail="high"),
                    sent_image("https://example.com/a.png"),
                ],
            }
        ],
    ),
    "file": (
        [
            pb.Message(
                role=pb.ROLE_USER,
                content=[
                    pb.Content(
                        file=pb.FileContent(data=b"x", filename="a.txt", mime_type="text/plain")
                    )
                ],
            )
        ],
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "file",
                        "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,eA=="},
                    }
                ],
            }
        ],
    ),
    "results of tools": (
        [
            said("a"),
            pb.Message(
                role=pb.ROLE_ASSISTANT,
                reasoning_content="hm",
                tool_calls=[called("1"), called("2", arguments='{"x":1}'), called("3")],
            ),
            pb.Message(role=pb.ROLE_TOOL, content=[pb.Content(text="r2")], tool_call_id="2"),
            said("r1", role=pb.ROLE_TOOL),
            said("r3", role=pb.ROLE_TOOL),
        ],
        [
            {"role": "user", "content": "a"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": id_,
                        "type": "function",
                        "function": {"name": "lookup", "arguments": arguments},
                    }
                    for id_, arguments in (("1", "{}"), ("2", '{"x":1}'), ("3", "{}"))
                ],
            },
            {"role": "tool", "tool_call_id": "2", "content": "r2"},
            {"role": "tool", "tool_call_id": "1", "content": "r1"},
            {"role": "tool", "tool_call_id": "3", "content": "r3"},
        ],
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_a_conversation_is_sent_upstream(
    xai: XaiStubs, upstream: DemoUpstream, name: str
) -> None:
    """Each kind of message has its message in the upstream's request."""
    messages, sent = CONVERSATIONS[name]
    await xai.stream(asked(*messages))
    got = upstream.requests[-1].body["messages"]
    for message in got:
        message.pop("reasoning_content", None)
    assert got == sent


async def test_a_system_message_replaces_the_default(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A request without a system message at its beginning has the settings' prompt."""
    app = await start_app(protocols="xai", system_prompt="default")
    async with xai_stubs(app.address) as stubs:
        await stubs.chat.GetCompletion(asked())
        await stubs.chat.GetCompletion(asked(said("s", role=pb.ROLE_SYSTEM), said("hello")))
    first, second = (each.body["messages"] for each in upstream.requests)
    assert first == [{"role": "system", "content": "default"}, USER]
    assert second == [{"role": "system", "content": "s"}, USER]
