"""Upstreams of other forms get what can be translated, and all else is refused by its name."""

import json
from typing import Any

import pytest

from support.aiplatform import HELLO_BODY, aiplatform_stub, text_in
from support.anthropic_wire import ANTHROPIC
from support.app import StartApp
from support.helpers import reason_of, violated_fields_of
from support.providers import select
from support.quirks import response
from support.raw_upstream import raw_upstream
from support.unary import error_of
from tokenwire.api.aiplatform.deltas import DeltaWriter
from tokenwire.api.encrypted_content import ANSWER, decode_states
from tokenwire.core.domain import Citation, Completion, Delta, FinishReason, ToolCall
from tokenwire_demo import DemoUpstream

SYSTEM = {"role": "system", "content": "Be kind."}
CALL = {"id": "1", "type": "function", "function": {"name": "get", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}
CONVERSATION = [
    SYSTEM,
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "tool_calls": [CALL],
    },
    {"role": "tool", "tool_call_id": "1", "content": "r"},
    {"role": "user", "content": [{"type": "text", "text": text} for text in ("and", "now")]},
]
TRANSLATED: dict[str, Any] = {
    "messages": CONVERSATION,
    "tools": [TOOL],
    "temperature": 0.5,
    "max_tokens": 9,
}


async def responses_stub(start_app: StartApp) -> str:
    """Start a server before an upstream with the responses API, and return its address."""
    app = await start_app(protocols="aiplatform", dialect="responses", model="o9")
    return app.address


async def test_a_request_is_translated(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The responses API gets the conversation, the tools and the parameters in its own form."""
    async with aiplatform_stub(await responses_stub(start_app)) as stub:
        chunks = await stub.chunks(**TRANSLATED, stream_options={"include_usage": True})
        whole = await stub.whole(**TRANSLATED)
    sent = upstream.requests[-1].body
    assert sent["max_output_tokens"] == 9
    assert sent["temperature"] == 0.5
    assert [each.get("role") or each["type"] for each in sent["input"]] == [
        "system",
        "user",
        "function_call",
        "function_call_output",
        "user",
    ]
    assert sent["input"][-1]["content"] == "and\nnow"
    assert "messages" not in sent
    assert text_in(chunks) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"]["total_tokens"]


async def test_tool_calls_and_reasoning(start_app: StartApp, upstream: DemoUpstream) -> None:
    """Calls and reasoning come in OpenAI's form, and a call returns with its result."""
    plan = 'reasoning "hm"; tool-call get {"x":1}; finish tool_calls; usage; done'
    asks: dict[str, Any] = {"tools": [TOOL], "reasoning_effort": "low"}
    async with aiplatform_stub(await responses_stub(start_app)) as stub:
        upstream.script(plan, plan)
        chunks = await stub.chunks(**asks)
        message = (await stub.whole(**asks))["choices"][0]["message"]
        deltas = [each["choices"][0]["delta"] for each in chunks]
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "hm"
        assert message["reasoning_content"] == "hm"
        [call] = message["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"x": 1}
        result = {"role": "tool", "tool_call_id": call["id"], "content": "r"}
        await stub.whole(**asks, messages=[{"role": "user", "content": "a"}, message, result])
    kinds = [each.get("type") for each in upstream.requests[-1].body["input"]]
    assert kinds[-2:] == ["function_call", "function_call_output"]


def test_states_of_pieces() -> None:
    """The last delta has the states of all calls, by the ids that their first pieces have."""
    writer = DeltaWriter()
    for call in (
        ToolCall("x", "get", '{"a":', 0),
        ToolCall("y", "put", "{}", 1),
        ToolCall("", "", "1}", 0),
        ToolCall("", "", "", 0, b"of x"),
    ):
        assert writer.delta(Delta("", tool_calls=(call,)))["tool_calls"][0]["index"] == call.index
    citation = Citation("http://example.com", "t", 1, 2)
    completion = Completion(FinishReason.STOP, None, "", "", (citation,), state=b"of all")
    last = writer.last(completion)
    states = decode_states(last["encrypted_content"], "")
    assert states == {"x": b"of x", ANSWER: b"of all"}
    assert last["annotations"][0]["url_citation"]["url"] == "http://example.com"


UNTRANSLATED: list[tuple[dict[str, Any], str]] = [
    ({"new_option": 1}, "new_option"),
    ({"metadata": {"a": "b"}}, "metadata"),
    ({"x" * 80: 1}, "(another member)"),
    ({"store": False}, "store"),
    ({"service_tier": "warp"}, "service_tier"),
    ({"reasoning_effort": "huge"}, "reasoning_effort"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
    ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
    ({"tools": [{**TOOL, "cache": 1}]}, "tools[0].cache"),
    ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
    ({"response_format": {"type": "grammar"}}, "response_format.type"),
    ({"response_format": {"type": "text", "new": 1}}, "response_format.new"),
    ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages[0].name"),
    ({"messages": [{"role": "observer", "content": "a"}]}, "messages[0].role"),
    ({"messages": [SYSTEM, {"role": "assistant", "content": "a"}]}, "messages[1].role"),
    (
        {"messages": [{"role": "user", "content": [{"type": "video_url"}]}]},
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "new": 1}]}]},
        "messages[0].content[0].new",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        "messages[0].content[0].file.file_id",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "a", "reasoning_details": [{"type": "x"}]},
                {"role": "user", "content": "a"},
            ]
        },
        "messages[1].reasoning_details",
    ),
]


async def test_what_cannot_be_translated_is_refused(
    start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """A member that only chat completions know is INVALID_PARAMETER, by its path."""
    async with aiplatform_stub(await responses_stub(start_app)) as stub:
        for body, field in UNTRANSLATED:
            with subtests.test(field=field):
                error = await error_of(stub.chunks(**body))
                found = (reason_of(error), violated_fields_of(error))
                assert found == ("INVALID_PARAMETER", [field])
    assert upstream.requests_seen == 0


async def test_nothing_but_what_says_something_is_refused(start_app: StartApp) -> None:
    """Nulls and empty members do not count."""
    async with aiplatform_stub(await responses_stub(start_app)) as stub:
        assert await stub.chunks(new_option=None, metadata={}, tools=[], prediction="")


LACKING: list[tuple[dict[str, Any], str]] = [
    ({"seed": 1}, "seed"),
    ({"new_option": 1}, "new_option"),
]


async def test_another_provider(start_app: StartApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider's own format gets the translation; what it lacks has its name in the body."""
    async with raw_upstream() as upstream:
        upstream.keep_body = True
        upstream.pieces = response(*ANTHROPIC.body("Hi", " you"), ANTHROPIC.end())
        select(ANTHROPIC, upstream.base_url.removesuffix("/v1"), monkeypatch)
        app = await start_app(protocols="aiplatform", provider=ANTHROPIC.name, base_url=None)
        async with aiplatform_stub(app.address) as stub:
            chunks = await stub.chunks(max_tokens=7, messages=[SYSTEM, *HELLO_BODY["messages"]])
            assert text_in(chunks) == "Hi you"
            sent = json.loads(upstream.body)
            assert sent["max_tokens"] == 7
            assert "Be kind." in json.dumps(sent["system"])
            for body, field in LACKING:
                error = await error_of(stub.chunks(**body))
                found = (reason_of(error), violated_fields_of(error))
                assert found == ("INVALID_PARAMETER", [field])
        assert upstream.requests == 1
