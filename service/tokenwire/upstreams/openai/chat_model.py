"""ChatOpenAI over the service's own HTTP client.

The class is a LangChain chat model with the payloads, parameters and message chunks of ChatOpenAI.
It reads streams with a strict reader of bounded size in place of the OpenAI SDK.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from tokenwire.core.attempts import Attempts
from tokenwire.core.conversation_state import StateCodec
from tokenwire.upstreams.openai.chat_messages import message_of
from tokenwire.upstreams.openai.chunks import ChunkReader
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.prompt import MessageClass, MessageDraft


class StreamingChatOpenAI(ChatOpenAI):
    """ChatOpenAI over an `Upstream`.

    Args:
        upstream: The upstream that receives the requests.
        max_tokens_parameter: The name of the upstream's parameter for the limit of output tokens.
        **kwargs: See ChatOpenAI.
    """

    _upstream: Upstream = PrivateAttr()
    _max_tokens_parameter: str = PrivateAttr()
    _codec: StateCodec = PrivateAttr()
    _roles: dict[MessageClass, dict[str, Any]] = PrivateAttr()

    def __init__(self, *, upstream: Upstream, max_tokens_parameter: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._upstream = upstream
        self._max_tokens_parameter = max_tokens_parameter
        dialect = "responses" if self.use_responses_api else "chat"
        self._codec = StateCodec(str(self.openai_api_base), dialect)
        self._roles = {} if self.use_responses_api else self._empty_messages()

    def _empty_messages(self) -> dict[MessageClass, dict[str, Any]]:
        kinds: tuple[MessageClass, ...] = (SystemMessage, HumanMessage, AIMessage)
        empty = self._get_request_payload([kind("") for kind in kinds])["messages"]
        return dict(zip(kinds, empty, strict=True))

    @property
    def max_tokens_parameter(self) -> str:
        """The name of the upstream's parameter for the limit of output tokens."""
        return self._max_tokens_parameter

    @property
    def codec(self) -> StateCodec:
        """Encodes what the upstream needs back."""
        return self._codec

    async def aclose(self) -> None:
        """Close all connections, including those of the OpenAI SDK, which `ainvoke` uses."""
        await self._upstream.aclose()
        await self.root_async_client.close()
        self.root_client.close()

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        if "max_completion_tokens" in payload:
            payload[self._max_tokens_parameter] = payload.pop("max_completion_tokens")
        return payload

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        answer = ChunkReader()
        message_class: type[BaseMessageChunk] = AIMessageChunk
        payload = self._get_request_payload(messages, stop=stop, **self._streamed(kwargs))
        with await self._upstream.open(payload, Attempts()) as events:
            while (batch := await events.read()) is not None:
                for event in batch:
                    answer.add(event)
                    generation = self._convert_chunk_to_generation_chunk(
                        msgspec.json.decode(event.data), message_class, None
                    )
                    if generation is None:
                        continue
                    message_class = type(generation.message)
                    if run_manager:
                        await run_manager.on_llm_new_token(generation.text, chunk=generation)
                    yield generation
        answer.end()

    def payload(
        self, drafts: list[MessageDraft], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return ChatOpenAI's payload for a conversation.

        ChatOpenAI builds the payload without the messages, because it scans every character of
        the assistant's turns. The messages are added afterwards.

        Args:
            drafts: The messages of the conversation.
            stop: The stop sequences, or None.
            kwargs: The parameters of the request, by ChatOpenAI's names.
        """
        payload = self._get_request_payload([], stop=stop, **self._streamed(kwargs))
        roles = self._roles
        payload["messages"] = [
            {**roles[kind], "content": content} if turn is None else message_of(turn, self._codec)
            for kind, content, turn in drafts
        ]
        return payload

    def responses_payload(self, kwargs: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        """Return ChatOpenAI's payload for the responses API, without its input.

        Args:
            kwargs: The parameters of the request, by ChatOpenAI's names.
            fields: Other fields, in the form of chat completions.
        """
        return super()._get_request_payload([], **kwargs, **fields, stream=True)

    def _streamed(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._should_stream_usage(**kwargs):
            kwargs["stream_options"] = {"include_usage": True}
        return {**kwargs, "stream": True}
