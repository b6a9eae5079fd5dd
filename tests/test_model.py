"""LangChain chat models, the built-in one and others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError, ModelError, ModelRateLimitError
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from support.app import MODEL
from support.call_records import new_call
from support.helpers import collect, failure_of, reason_of, text_of, violated_fields_of
from tokenwire import config
from tokenwire.app import App
from tokenwire.config import SettingsError
from tokenwire.core import errors
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import ChatRequest, Completion, Delta, FinishReason, Sampling, Usage
from tokenwire.upstreams.build import build_model, build_openai
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.openai.model import OpenAIModel
from tokenwire.upstreams.progress_timer import Timeouts
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

TIMEOUTS = Timeouts(first_token=60, idle=60)


@pytest.fixture
async def model(upstream: DemoUpstream) -> AsyncIterator[OpenAIModel]:
    built = build_openai(config.load(base_url=upstream.base_url, model=MODEL))
    yield built
    await built.aclose()


async def stream(model: ChatModel, request: ChatRequest) -> tuple[str, Completion]:
    """Return the text and the completion of an answer."""
    text = ""
    async with aclosing(model.stream(request, new_call())) as answer:
        async for event in answer:
            if isinstance(event, Completion):
                return text, event
            if isinstance(event, Delta):
                text += event.text
    raise AssertionError("no completion")


@pytest.mark.parametrize(
    ("base_url", "parameter"),
    [
        (None, "max_completion_tokens"),
        ("https://name.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://localhost:11434/v1", "max_tokens"),
    ],
)
def test_the_limit_of_tokens_has_the_upstreams_name(base_url: str | None, parameter: str) -> None:
    """OpenAI and Azure receive max_completion_tokens, all other upstreams max_tokens."""
    loaded = config.load(api_key="k", base_url=base_url, model=MODEL, dialect="chat")
    built = build_openai(loaded)
    payload = built.dialect.payload(ChatRequest("hello", MODEL, sampling=Sampling(max_tokens=5)))
    assert payload[parameter] == 5
    assert len({"max_tokens", "max_completion_tokens"} & payload.keys()) == 1


async def test_the_request_carries_the_credentials(upstream: DemoUpstream) -> None:
    """The key, organization and project are sent in the headers that OpenAI expects."""
    loaded = config.load(
        base_url=upstream.base_url, api_key="key-1", organization="org-1", project="project-1"
    )
    built = build_openai(loaded)
    await stream(built, ChatRequest("hello", MODEL))
    await built.aclose()
    headers = upstream.requests[0].headers
    assert headers["authorization"] == "Bearer key-1"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "project-1"
    assert "api-key" not in headers


async def test_an_upstream_without_a_key_gets_none(
    model: OpenAIModel, upstream: DemoUpstream
) -> None:
    """Without a key, no credentials are sent."""
    await stream(model, ChatRequest("hello", MODEL))
    assert "authorization" not in upstream.requests[0].headers


async def test_a_base_url_with_a_query_works_as_azures_does(upstream: DemoUpstream) -> None:
    """The query of the base URL is kept, and with an api-version the key is sent as `api-key`."""
    base_url = upstream.base_url.replace("/v1", "/openai/deployments/name?api-version=2024-10-21")
    built = build_openai(config.load(base_url=base_url, api_key="key-1"))
    await stream(built, ChatRequest("hello", MODEL))
    await built.aclose()
    request = upstream.requests[0]
    path = "/openai/deployments/name/chat/completions?api-version=2024-10-21"
    assert request.path == path
    assert request.headers["api-key"] == "key-1"


@pytest.mark.parametrize("provider", ["no-such-provider", "groq"])
def test_a_provider_that_is_not_there_stops_the_start(provider: str) -> None:
    """An unknown provider, or one whose package is not installed, is a settings error."""
    with pytest.raises(SettingsError) as caught:
        build_model(config.load(provider=provider, model="name"))
    [problem] = caught.value.problems
    assert problem.startswith(f"TOKENWIRE_PROVIDER={provider}: ")


class Scripted(BaseChatModel):
    """A chat model of another provider, which streams the given chunks."""

    chunks: list[AIMessageChunk]
    failure: ModelError | None = None
    seen: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise AssertionError("only streams")

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        raise AssertionError("only streams asynchronously")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del run_manager
        self.seen.update(kwargs, messages=messages, stop=stop)
        for chunk in self.chunks:
            yield ChatGenerationChunk(message=chunk)
        if self.failure:
            raise self.failure


async def test_any_langchain_model_streams() -> None:
    """A model's text, usage, finish reason and id are returned, and it receives the parameters."""
    scripted = Scripted(
        chunks=[
            AIMessageChunk(content="Hel", id="id-1"),
            AIMessageChunk(
                content="",
                usage_metadata={"input_tokens": 3, "output_tokens": 0, "total_tokens": 3},
            ),
            AIMessageChunk(content="lo", id="id-1"),
            AIMessageChunk(
                content="",
                usage_metadata={"input_tokens": 0, "output_tokens": 2, "total_tokens": 2},
                response_metadata={"stop_reason": "max_tokens", "model_name": "claude"},
            ),
        ]
    )
    request = ChatRequest("hi", "m", system="s", sampling=Sampling(temperature=0.5, stop=("x",)))
    text, completion = await stream(LangChainModel(scripted, TIMEOUTS), request)
    assert text == "Hello"
    assert completion == Completion(FinishReason.LENGTH, Usage(3, 2), "claude", "id-1")
    assert scripted.seen["temperature"] == 0.5
    assert scripted.seen["stop"] == ["x"]
    assert [type(each).__name__ for each in scripted.seen["messages"]] == [
        "SystemMessage",
        "HumanMessage",
    ]


REASONINGS = [
    AIMessageChunk(
        content=[{"type": "thinking", "thinking": "hm ", "index": 0}],
        response_metadata={"model_provider": "anthropic"},
    ),
    AIMessageChunk(content=[{"type": "reasoning", "reasoning": "hm ", "index": 0}]),
    AIMessageChunk(content="", additional_kwargs={"reasoning_content": "hm "}),
]


@pytest.mark.parametrize("show", [True, False])
async def test_any_langchain_models_reasoning_is_shown_on_demand(
    upstream: DemoUpstream, *, show: bool
) -> None:
    """Reasoning is never part of the text, and is sent only to callers that ask for it."""
    loaded = config.load(
        base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    model = LangChainModel(Scripted(chunks=[*REASONINGS, AIMessageChunk(content="42")]), TIMEOUTS)
    async with App(loaded, model) as app, grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        message = pb.Message(content="hello", reasoning=pb.Reasoning(show=show))
        answers = [answer async for answer in stub.Send(message)]
    assert "".join(answer.content for answer in answers) == "42"
    reasoning = "".join(answer.reasoning for answer in answers)
    assert reasoning == ("hm " * len(REASONINGS) if show else "")


@pytest.mark.parametrize(
    ("field", "reasoning"),
    [
        ("effort", pb.Reasoning(effort=pb.EFFORT_LOW)),
        ("max_tokens", pb.Reasoning(max_tokens=1)),
    ],
)
async def test_any_langchain_model_rejects_what_it_cannot_do(
    upstream: DemoUpstream, field: str, reasoning: pb.Reasoning
) -> None:
    """A parameter that the provider does not support is rejected by name, without a model call."""
    loaded = config.load(
        base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    scripted = Scripted(chunks=[AIMessageChunk(content="42")])
    app = App(loaded, LangChainModel(scripted, TIMEOUTS))
    async with app, grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        _, error = await failure_of(stub.Send(pb.Message(content="hello", reasoning=reasoning)))
    assert violated_fields_of(error) == [f"reasoning.{field}"]
    assert scripted.seen == {}


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ModelRateLimitError("canary"), "UPSTREAM_RATE_LIMITED"),
        (ContextOverflowError("canary"), "PROMPT_TOO_LONG"),
        (ModelError("canary"), "UPSTREAM_ERROR"),
    ],
)
async def test_any_langchain_models_failure_is_a_status(
    upstream: DemoUpstream, failure: ModelError, reason: str
) -> None:
    """LangChain exceptions are mapped to their reasons, and their messages are not passed on."""
    loaded = config.load(
        base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    model = LangChainModel(
        Scripted(chunks=[AIMessageChunk(content="Hi")], failure=failure), TIMEOUTS
    )
    async with App(loaded, model) as app, grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers, error = await failure_of(stub.Send(pb.Message(content="hello")))
    assert [answer.content for answer in answers] == ["Hi", ""]
    assert reason_of(error) == reason
    assert "canary" not in repr(error)


class Silent(Scripted):
    """A model that streams the given chunks and then hangs."""

    async def _astream(self, *arguments: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in super()._astream(*arguments, **kwargs):
            yield chunk
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("texts", "failure"), [([], errors.UpstreamTimeout), (["Hi"], errors.UpstreamIdleTimeout)]
)
async def test_any_langchain_model_that_falls_silent_is_given_up(
    texts: list[str], failure: type[errors.ServiceError]
) -> None:
    """The upstream timeouts apply to every model."""
    silent = Silent(chunks=[AIMessageChunk(content=text) for text in texts])
    model = LangChainModel(silent, Timeouts(first_token=0.1, idle=0.1))
    with pytest.raises(failure):
        await stream(model, ChatRequest("hello", MODEL))


async def test_a_model_that_only_answers_whole_still_answers(upstream: DemoUpstream) -> None:
    """LangChain's own fake model answers through the server."""
    loaded = config.load(
        base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    fake = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))
    async with App(loaded, LangChainModel(fake, TIMEOUTS)) as app:  # noqa: SIM117 - reads in order
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            answers = await collect(stub.Send(pb.Message(content="hello")))
    assert text_of(answers) == "one two three"
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
