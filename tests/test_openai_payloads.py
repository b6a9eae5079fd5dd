"""The bodies of requests to OpenAI-compatible upstreams, compared with those of LangChain."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import pytest
from langchain_openai import ChatOpenAI

from support.app import MODEL
from tokenwire import config
from tokenwire.core.domain import (
    ChatRequest,
    Effort,
    JsonObject,
    JsonSchema,
    Part,
    PartKind,
    Reasoning,
    Role,
    Sampling,
    ServiceTier,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    Turn,
)
from tokenwire.core.json_pieces import encode
from tokenwire.upstreams.build import build_openai
from tokenwire.upstreams.langchain.messages import to_messages
from tokenwire.upstreams.openai.tool_fields import tool_fields
from tokenwire.upstreams.prompt import to_drafts, to_parameters

BASE_URL: Final = "http://127.0.0.1:1/v1"
SCHEMA: Final = '{"type":"object","properties":{"city":{"type":"string"}}}'
TOOLS: Final = (Tool("get_map", "", SCHEMA, strict=True), Tool("get_time", "The time.", SCHEMA))
PNG: Final = b"\x89PNG\r\n\x1a\n\x00"
IMAGES: Final = (
    Part(PartKind.IMAGE, "image/png", data=PNG),
    Part(PartKind.IMAGE, "", url="https://example.com/a%20b.png?sig=x%2Fy"),
)
FILE: Final = Part(PartKind.FILE, "application/pdf", data=PNG, name="a.pdf")
AUDIO: Final = Part(PartKind.AUDIO, "audio/wav", data=PNG)
CALLS: Final = (ToolCall("a", "get_map", "{}"), ToolCall("b", "get_time", '{"city": "Oslo"}'))
HISTORY: Final = (
    Turn(Role.USER, "Hi"),
    Turn(Role.ASSISTANT, "Hello"),
    Turn(Role.SYSTEM, "Be kind."),
    Turn(Role.USER, "", parts=(*IMAGES, FILE)),
    Turn(Role.ASSISTANT, "Let me look.", CALLS),
    Turn(Role.TOOL, "a map", tool_call_id="a"),
    Turn(Role.TOOL, "", tool_call_id="b"),
)
ONLY_CALLS: Final = (
    Turn(Role.USER, "", parts=(*IMAGES, AUDIO, FILE)),
    Turn(Role.ASSISTANT, "", CALLS[:1]),
    Turn(Role.TOOL, "map", tool_call_id="a", parts=IMAGES),
)
ALL_SAMPLING: Final = Sampling(
    temperature=0.5,
    max_tokens=5,
    top_p=0.5,
    user="team-7",
    top_logprobs=2,
    service_tier=ServiceTier.FLEX,
)
CHAT_SAMPLING: Final = Sampling(
    temperature=0.0,
    max_tokens=5,
    top_p=0.5,
    stop=("a", "b"),
    seed=7,
    frequency_penalty=0.1,
    presence_penalty=-0.1,
    user="team-7",
    top_logprobs=0,
    top_k=5,
    min_p=0.1,
    logit_bias={7: -1.0},
    service_tier=ServiceTier.AUTO,
)

EITHER: Final[Mapping[str, ChatRequest]] = {
    "a text": ChatRequest("hello", MODEL),
    "a conversation": ChatRequest("hello", MODEL, "Be brief.", HISTORY, parts=(*IMAGES, FILE)),
    "only a result": ChatRequest("", MODEL, history=HISTORY),
    "sampling": ChatRequest("hello", MODEL, sampling=ALL_SAMPLING),
    "tools": ChatRequest("hello", MODEL, tools=TOOLS),
    "a chosen tool": ChatRequest(
        "hello", MODEL, tools=TOOLS, tool_choice=ToolChoice(name="get_map", parallel=False)
    ),
    "a mode": ChatRequest("hello", MODEL, tools=TOOLS, tool_choice=ToolChoice(ToolMode.REQUIRED)),
    "a schema": ChatRequest("hello", MODEL, format=JsonSchema("city", SCHEMA, strict=True)),
    "a lax schema": ChatRequest("hello", MODEL, format=JsonSchema("city", SCHEMA)),
    "any object": ChatRequest("hello", MODEL, format=JsonObject()),
    "effort": ChatRequest("hello", MODEL, reasoning=Reasoning(Effort.LOW)),
}
CHAT: Final[Mapping[str, ChatRequest]] = {
    **EITHER,
    "all sampling": ChatRequest("hello", MODEL, sampling=CHAT_SAMPLING),
    "parts": ChatRequest("hello", MODEL, "", ONLY_CALLS, parts=(*IMAGES, AUDIO, FILE)),
}
WARM: Final = Sampling(temperature=0.5)
RESPONSES: Final[Mapping[str, ChatRequest]] = {
    **EITHER,
    "GPT-5": ChatRequest("hello", "gpt-5-mini", sampling=WARM),
    "GPT-5 for chats": ChatRequest("hello", "gpt-5-chat-latest", sampling=WARM),
    "GPT-5 that does not reason": ChatRequest(
        "hello", "gpt-5", sampling=WARM, reasoning=Reasoning(Effort.NONE)
    ),
    "GPT-5 that reasons": ChatRequest(
        "hello", "gpt-5", sampling=WARM, reasoning=Reasoning(Effort.HIGH)
    ),
}


@pytest.fixture
async def langchain(request: pytest.FixtureRequest) -> AsyncIterator[ChatOpenAI]:
    """LangChain's chat model of the dialect that the test names."""
    model = ChatOpenAI(
        model=MODEL,
        base_url=BASE_URL,
        api_key="key",
        use_responses_api=request.param == "responses",
    )
    yield model
    model.root_client.close()
    await model.root_async_client.close()


def ours(request: ChatRequest, dialect: str) -> dict[str, Any]:
    """Return the body of a request, as the upstream reads it."""
    loaded = config.load(
        base_url=BASE_URL,
        model=MODEL,
        dialect=dialect,
        max_tokens_parameter="max_completion_tokens",
    )
    body: dict[str, Any] = json.loads(encode(build_openai(loaded).dialect.payload(request)))
    return body


async def theirs(model: ChatOpenAI, request: ChatRequest, **fields: object) -> dict[str, Any]:
    """Return the body that LangChain writes for a request."""
    messages = await to_messages(to_drafts(request))
    named: dict[str, Any] = {**to_parameters(request), **tool_fields(request), **fields}
    stop = list(request.sampling.stop) or None
    payload = model._get_request_payload(messages, stop=stop, stream=True, **named)
    body: dict[str, Any] = json.loads(encode(payload))
    return body


def constraint(request: ChatRequest) -> dict[str, Any]:
    """Return LangChain's parameter for the form of the answer's text."""
    match request.format:
        case JsonSchema(name, schema, strict):
            form: dict[str, Any] = {"name": name, "schema": json.loads(schema)}
            form |= {} if strict is None else {"strict": strict}
            return {"response_format": {"type": "json_schema", "json_schema": form}}
        case JsonObject():
            return {"response_format": {"type": "json_object"}}
    return {}


@pytest.mark.parametrize("langchain", ["chat"], indirect=True)
async def test_chat_completions_are_those_of_langchain(
    langchain: ChatOpenAI, subtests: pytest.Subtests
) -> None:
    """A body of chat completions is the one that LangChain's ChatOpenAI writes."""
    for name, request in CHAT.items():
        with subtests.test(name):
            fields = constraint(request)
            if request.reasoning.effort:
                fields["reasoning_effort"] = request.reasoning.effort.value
            expected = await theirs(
                langchain, request, stream_options={"include_usage": True}, **fields
            )
            assert ours(request, "chat") == expected


@pytest.mark.parametrize("langchain", ["responses"], indirect=True)
async def test_responses_requests_are_those_of_langchain(
    langchain: ChatOpenAI, subtests: pytest.Subtests
) -> None:
    """A body of the responses API is the one that LangChain's ChatOpenAI writes.

    But for what LangChain leaves to its caller: storing nothing, tools that are not strict unless
    they ask for it, and asking for log probabilities and encrypted reasoning by `include`.
    """
    for name, request in RESPONSES.items():
        with subtests.test(name):
            fields = constraint(request) | {"store": False}
            if request.reasoning.effort:
                fields["reasoning"] = {"effort": request.reasoning.effort.value}
            expected = await theirs(langchain, request, **fields)
            for tool in expected.get("tools", ()):
                tool.setdefault("strict", False)
            if expected.pop("logprobs", False):
                expected["include"] = ["message.output_text.logprobs"]
            if request.tools and request.reasoning.effort:
                expected["include"] = ["reasoning.encrypted_content"]
            assert ours(request, "responses") == expected


def test_the_system_prompt_of_reasoning_models_is_the_developers() -> None:
    """Where the model of the settings is of OpenAI's o-series, the system prompt says so."""
    request = ChatRequest("hello", "o3-mini", system="Be brief.")
    loaded = config.load(base_url=BASE_URL, model="o3-mini")
    [system, user] = build_openai(loaded).dialect.payload(request)["messages"]
    assert (system["role"], user["role"]) == ("developer", "user")
