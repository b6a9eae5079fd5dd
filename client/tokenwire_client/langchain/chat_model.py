"""The chat model."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, PrivateAttr
from typing_extensions import override

from tokenwire_client.caller_credentials import CallerCredentials
from tokenwire_client.langchain.answers import MessageReader
from tokenwire_client.langchain.connections import Connections
from tokenwire_client.langchain.conversation import split
from tokenwire_client.langchain.errors import langchain_errors
from tokenwire_client.langchain.parameters import request_options
from tokenwire_client.langchain.settings import ChatTokenwireSettings
from tokenwire_client.langchain.structured_output import Method, structure_of, with_raw

Call = tuple[str, dict[str, Any]]
"""The content and the other arguments of a call of `Client` or `SyncClient`."""


class ChatTokenwire(ChatTokenwireSettings):
    """A chat model that asks a tokenwire server.

    Connections open at the first call, one for threads and one for each event loop, and stay
    open until `close` and `aclose` or the end of the process. A stream that is left, and a task
    that is cancelled, cancel the call, and the server stops the model. A failed call raises a
    ChatError that is LangChain's exception of the condition too; see `errors`.

    All parameters from `model` on can be given to a single call, as in
    `model.invoke("Hi", temperature=0)`. What is None is left to the server.
    """

    _connections: Connections = PrivateAttr()

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if self.token_file is not None and "api_key" not in self.model_fields_set:
            # The environment is for models that say nothing about who calls.
            self.api_key = None
        key = None if self.api_key is None else self.api_key.get_secret_value()
        # Says at once what is wrong with them. The file may appear later.
        CallerCredentials(key, self.token_file)
        arguments = {
            "target": self.target,
            "credentials": self.credentials,
            "key": key,
            "token_file": self.token_file,
            "metadata": self.call_metadata,
            "max_attempts": self.max_retries + 1,
            "options": self.channel_options,
        }
        self._connections = Connections(arguments, self.interceptors, self.async_interceptors)

    def close(self) -> None:
        """Close the connections of `invoke` and `stream`; a later call opens them again."""
        self._connections.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens them again."""
        await self._connections.aclose()

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        content, call = self._call(messages, stop, kwargs)
        with langchain_errors():
            answer = self._connections.client().ask(content, **call)
        return ChatResult(generations=[MessageReader().whole(answer)])

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        content, call = self._call(messages, stop, kwargs)
        client = await self._connections.async_client()
        with langchain_errors():
            answer = await client.ask(content, **call)
        return ChatResult(generations=[MessageReader().whole(answer)])

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        content, call = self._call(messages, stop, kwargs)
        reader = MessageReader(blocks=self.output_version == "v1")
        client = self._connections.client()
        with langchain_errors(), client.send(content, stream_tool_calls=True, **call) as stream:
            for answer in stream:
                yield reader.chunk(answer)

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        content, call = self._call(messages, stop, kwargs)
        reader = MessageReader(blocks=self.output_version == "v1")
        client = await self._connections.async_client()
        with langchain_errors():
            async with client.send(content, stream_tool_calls=True, **call) as stream:
                async for answer in stream:
                    yield reader.chunk(answer)

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools that it may call.

        Args:
            tools: Functions, pydantic classes, TypedDicts, LangChain's tools, or dicts in the
                format of OpenAI or Anthropic.
            tool_choice: "auto", "none", "any", or the name of the tool that must be called.
            strict: Whether the upstream must make the arguments fit the tools' schemas.
            parallel_tool_calls: Whether the model may call several tools at once.
            **kwargs: Further parameters of the calls.
        """
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        choices = {"tool_choice": tool_choice, "parallel_tool_calls": parallel_tool_calls}
        given = {name: value for name, value in choices.items() if value is not None}
        return self.bind(tools=formatted, **given, **kwargs)

    @override
    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Method = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return the model with answers that are objects of a schema.

        Args:
            schema: A pydantic class, whose instances the answers are, or a TypedDict or a JSON
                Schema, for dicts.
            include_raw: Whether an answer is a dict with `raw`, `parsed` and `parsing_error`.
            method: `json_schema`: the upstream enforces the schema. `function_calling`: the
                model calls a tool that has it. `json_mode`: the upstream enforces JSON, and the
                prompt has to describe it.
            strict: Whether every property is required and no other is allowed, as the upstream
                enforces then; None: its default.
            **kwargs: Further parameters of the calls.

        Raises:
            ValueError: There is no such method.
        """
        structure = structure_of(schema, method, strict=strict)
        model = self.bind(**structure.parameters, **kwargs)
        return with_raw(model, structure.parser) if include_raw else model | structure.parser

    @override
    def get_num_tokens(self, text: str) -> int:
        """Return the tokens of a prompt with this text, as the server counts or estimates them."""
        return self.get_num_tokens_from_messages([HumanMessage(text)])

    @override
    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> int:
        """Return the tokens of a prompt, as the server counts or estimates them.

        Args:
            messages: The messages, of which the last is a HumanMessage or a ToolMessage.
            tools: The tools of the request; see `bind_tools`.
            **kwargs: Further parameters of the call.
        """
        if tools:
            kwargs["tools"] = [convert_to_openai_tool(tool) for tool in tools]
        content, call = self._call(messages, None, kwargs)
        with langchain_errors():
            return self._connections.client().count_tokens(content, **call).input_tokens

    def _call(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Call:
        """Return what a call of a client is given."""
        given = {key: value for key, value in kwargs.items() if key != "stream"}
        timeout = given.pop("timeout", self.timeout)
        metadata = given.pop("call_metadata", ())
        if stop is not None:
            given["stop"] = stop
        content, conversation = split(messages)
        options = request_options({**self._parameters(), **given})
        return content, {"timeout": timeout, "metadata": metadata, **options, **conversation}
