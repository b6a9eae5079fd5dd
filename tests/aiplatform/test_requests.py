"""Requests in OpenAI's JSON: what goes upstream as it is, and what the service sets."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.aiplatform import HELLO_BODY, aiplatform_stub
from support.app import StartApp
from support.helpers import reason_of, violated_fields_of
from support.raw_upstream import RawUpstream, raw_upstream
from support.unary import error_of
from tokenwire_demo import DemoUpstream

ENDPOINT = "projects/p/locations/l/endpoints/"
PNG = f"data:image/png;base64,{b64encode(b'12345678').decode()}"
CSV = "data:text/csv;base64,AA=="
ADDED: dict[str, Any] = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "model": "demo-model",
}
"""What the service sets in each body."""

FUNCTION = {"name": "a", "description": "d", "parameters": {"type": "object"}, "strict": True}
BODIES: dict[str, dict[str, Any]] = {
    "nothing else": {},
    "sampling": {
        "temperature": 0.7,
        "top_p": 0.9,
        "frequency_penalty": -1,
        "presence_penalty": 1.5,
        "min_p": 0.1,
        "top_k": 5,
        "seed": -(1 << 62),
        "stop": "x",
        "user": "u",
        "logit_bias": {"50256": -100},
        "logprobs": True,
        "top_logprobs": 3,
        "service_tier": "flex",
    },
    "members that OpenAI may add": {
        "new_option": {"a": [1, 2.5, None, "x"]},
        "metadata": {"k": "v"},
        "prompt_cache_key": "p",
        "verbosity": "low",
    },
    "values that OpenAI may add": {"service_tier": "warp", "reasoning_effort": "huge"},
    "nulls": {"temperature": None, "stop": None, "tools": None, "new_option": None},
    "tools": {
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "a"}},
        "parallel_tool_calls": False,
    },
    "tools of other kinds": {
        "tools": [{"type": "custom", "custom": {"name": "c"}}, {"type": "web_search"}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
    },
    "a schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "description": "d"},
        }
    },
    "another format": {"response_format": {"type": "grammar", "grammar": "g"}},
    "the effort": {"reasoning_effort": "low"},
    "a number of answers": {"n": 1},
}
MESSAGES: dict[str, list[Any]] = {
    "an image": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "text", "text": "b", "new": 1},
            ],
        }
    ],
    "audio and a file": [
        {
            "role": "user",
            "content": [
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {
                    "type": "file",
                    "file": {"filename": "f", "file_data": "data:text/csv;base64,AA=="},
                },
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        }
    ],
    "a kind of part that OpenAI may add": [
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}
    ],
    "tools": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "hi", "name": "bob"},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": [],
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}},
                {"id": "2", "type": "custom", "custom": {"name": "c", "input": "i"}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "r"}]},
    ],
    "an answer that the caller has begun": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Once", "reasoning_content": "hm"},
    ],
    "a developer's instructions": [
        {"role": "developer", "content": [{"type": "text", "text": "s"}]},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": "more"},
    ],
    "roles that OpenAI may add": [
        {"role": "user", "content": "hi"},
        {"role": "function", "name": "f", "content": "r"},
        {"role": "observer", "content": {"x": 1}},
    ],
}


@pytest.fixture
async def lenient() -> AsyncIterator[RawUpstream]:
    """An upstream that accepts every request."""
    async with raw_upstream() as upstream:
        upstream.keep_body = True
        yield upstream


@pytest.mark.parametrize("name", BODIES)
async def test_members_go_through(start_app: StartApp, lenient: RawUpstream, name: str) -> None:
    """The upstream gets the caller's body, with the model, the stream and its usage set."""
    app = await start_app(protocols="aiplatform", base_url=lenient.base_url)
    body = BODIES[name]
    async with aiplatform_stub(app.address) as stub:
        for ask in (stub.chunks, stub.whole):
            await ask(**body)
            assert json.loads(lenient.body) == {**HELLO_BODY, **body, **ADDED}


@pytest.mark.parametrize("name", MESSAGES)
async def test_messages_go_through(start_app: StartApp, lenient: RawUpstream, name: str) -> None:
    """The upstream gets the messages as the caller wrote them."""
    app = await start_app(protocols="aiplatform", base_url=lenient.base_url)
    async with aiplatform_stub(app.address) as stub:
        await stub.chunks(messages=MESSAGES[name])
    assert json.loads(lenient.body)["messages"] == MESSAGES[name]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("parameter", ["max_tokens", "max_completion_tokens"])
async def test_the_limit_has_the_upstreams_name(
    start_app: StartApp, upstream: DemoUpstream, name: str, parameter: str
) -> None:
    """The limit of output tokens goes upstream by the name that the upstream knows."""
    app = await start_app(protocols="aiplatform", max_tokens_parameter=parameter)
    async with aiplatform_stub(app.address) as stub:
        limit: dict[str, Any] = {name: 3}
        await stub.chunks(**limit)
    assert upstream.requests[-1].body == {**HELLO_BODY, **ADDED, parameter: 3}


async def test_defaults_of_the_server(start_app: StartApp, upstream: DemoUpstream) -> None:
    """Temperature and system prompt of the settings apply where the body has none."""
    app = await start_app(protocols="aiplatform", temperature=0.25, system_prompt="Be kind.")
    system = {"role": "system", "content": "Be kind."}
    own = [{"role": "developer", "content": "Mine."}, *HELLO_BODY["messages"]]
    async with aiplatform_stub(app.address) as stub:
        await stub.chunks()
        sent = upstream.requests[-1].body
        assert sent["temperature"] == 0.25
        assert sent["messages"] == [system, *HELLO_BODY["messages"]]
        await stub.chunks(temperature=1, messages=own)
        sent = upstream.requests[-1].body
        assert (sent["temperature"], sent["messages"]) == (1, own)


async def test_usage_may_be_off(start_app: StartApp, upstream: DemoUpstream) -> None:
    """An upstream that rejects the option of usage does not get it, whatever the body says."""
    app = await start_app(protocols="aiplatform", stream_usage=False)
    async with aiplatform_stub(app.address) as stub:
        await stub.chunks(stream_options={"include_usage": True})
        assert "stream_options" not in upstream.requests[-1].body
        await stub.chunks(stream_options={"include_usage": True, "include_obfuscation": False})
        assert upstream.requests[-1].body["stream_options"] == {"include_obfuscation": False}


async def test_the_effort_has_the_upstreams_form(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The effort is written as the setting says, and not beside the upstream's own parameter."""
    app = await start_app(protocols="aiplatform", reasoning_parameter="chat_template_kwargs")
    own: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
    async with aiplatform_stub(app.address) as stub:
        await stub.chunks(reasoning_effort="high")
        sent = upstream.requests[-1].body
        assert sent["chat_template_kwargs"] == {"enable_thinking": True}
        assert "reasoning_effort" not in sent
        await stub.chunks(**own)
        assert upstream.requests[-1].body == {**HELLO_BODY, **ADDED, **own}
        error = await error_of(stub.chunks(reasoning_effort="high", **own))
    assert violated_fields_of(error) == ["reasoning_effort"]


NAMED: dict[str, tuple[str, str | None, str]] = {
    "by the body": ("", "small", "small"),
    "by both": (f"{ENDPOINT}large", "small", "small"),
    "by the endpoint": (f"{ENDPOINT}small", None, "small"),
    "by an empty name and the endpoint": (f"{ENDPOINT}small", "", "small"),
    "by neither": (f"{ENDPOINT}openapi", None, "demo-model"),
}


@pytest.mark.parametrize("how", NAMED)
async def test_the_model_is_named(start_app: StartApp, upstream: DemoUpstream, how: str) -> None:
    """The body names the model, or else the endpoint, unless that is `openapi`."""
    app = await start_app(protocols="aiplatform", models="small,large")
    endpoint, name, expected = NAMED[how]
    async with aiplatform_stub(app.address) as stub:
        chunks = await stub.chunks(endpoint=endpoint, model=name)
    assert upstream.requests[-1].body["model"] == expected
    assert chunks[0]["model"] == expected


UNKNOWN = {"model": ("", "none"), "endpoint": (f"{ENDPOINT}none", None)}


@pytest.mark.parametrize("field", UNKNOWN)
async def test_an_unknown_model(start_app: StartApp, upstream: DemoUpstream, field: str) -> None:
    """A model that is not offered is UNKNOWN_MODEL, wherever it is named."""
    app = await start_app(protocols="aiplatform", models="small")
    endpoint, name = UNKNOWN[field]
    async with aiplatform_stub(app.address) as stub:
        error = await error_of(stub.chunks(endpoint=endpoint, model=name))
    assert (reason_of(error), violated_fields_of(error)) == ("UNKNOWN_MODEL", [field])
    assert upstream.requests_seen == 0
