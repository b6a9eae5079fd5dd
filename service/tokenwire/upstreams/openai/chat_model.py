"""ChatOpenAI with a lean way from the upstream's bytes to the answer.

It is an ordinary LangChain chat model: payloads, parameters and message chunks
are ChatOpenAI's own. Two things differ. Streams are read by our own bounded,
strict reader in place of the OpenAI SDK. And `deltas` hands out plain text
without a message object for each token.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

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

from tokenwire.core.domain import AnswerStream, Delta, Whole
from tokenwire.core.errors import ServiceError, UpstreamEventTooLarge
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai import chunks
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.prompt import Kind, Line

REST_SECONDS: Final = 2.0
"""How long usage may come after the finish reason."""


class StreamingChatOpenAI(ChatOpenAI):
    """ChatOpenAI over an `Upstream`.

    Args:
        upstream: Where requests go.
        max_tokens_parameter: The upstream's name for the limit of output tokens.
        merge_tokens: Whether `deltas` hands out together what arrived together.
        **kwargs: As for ChatOpenAI.
    """

    _upstream: Upstream = PrivateAttr()
    _max_tokens_parameter: str = PrivateAttr()
    _merge_tokens: bool = PrivateAttr()
    _roles: dict[Kind, dict[str, Any]] = PrivateAttr()

    def __init__(
        self, *, upstream: Upstream, max_tokens_parameter: str, merge_tokens: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._upstream = upstream
        self._max_tokens_parameter = max_tokens_parameter
        self._merge_tokens = merge_tokens
        kinds: tuple[Kind, ...] = (SystemMessage, HumanMessage, AIMessage)
        empty = self._get_request_payload([kind("") for kind in kinds])["messages"]
        self._roles = dict(zip(kinds, empty, strict=True))

    async def aclose(self) -> None:
        """Close all connections, also those of the OpenAI SDK, which `ainvoke` goes through."""
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
        answer = chunks.Answer()
        message_class: type[BaseMessageChunk] = AIMessageChunk
        payload = self._get_request_payload(messages, stop=stop, **self._streamed(kwargs))
        async with aclosing(self._batches(answer, payload)) as batches:
            async for batch in batches:
                for event in batch:
                    answer.add(chunks.decode(event))
                    generation = self._convert_chunk_to_generation_chunk(
                        msgspec.json.decode(event.data), message_class, None
                    )
                    if generation is None:
                        continue
                    message_class = type(generation.message)
                    if run_manager:
                        await run_manager.on_llm_new_token(generation.text, chunk=generation)
                    yield generation
        answer.completion()

    async def deltas(
        self, lines: list[Line], stop: list[str] | None = None, **kwargs: Any
    ) -> AnswerStream:
        """Stream the answer to a conversation as plain deltas and its completion.

        Args:
            lines: The conversation.
            stop: Texts that end the answer.
            **kwargs: Parameters of the request, by ChatOpenAI's names.

        Raises:
            ServiceError: The answer cannot be completed.
        """
        answer = chunks.Answer()
        # Each look at a model's private attribute goes through pydantic.
        merge_tokens = self._merge_tokens
        told = -1
        batches_of = self._batches(answer, self._payload(lines, stop, kwargs))
        # It is sent before the first batch comes, and the answer can take long.
        del lines, stop
        async with aclosing(batches_of) as batches:
            async for batch in batches:
                deltas, failure = _read(answer, batch, merge_tokens=merge_tokens)
                for delta in deltas:
                    yield delta
                if failure:
                    raise failure
                if answer.whole and told != answer.resumed:
                    told = answer.resumed
                    yield Whole(REST_SECONDS)
        yield answer.completion()

    def _payload(
        self, lines: list[Line], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the payload that ChatOpenAI makes of such messages.

        ChatOpenAI itself is given no text: it looks at each character of the model's turns.
        """
        payload = self._get_request_payload([], stop=stop, **self._streamed(kwargs))
        roles = self._roles
        payload["messages"] = [{**roles[kind], "content": text} for kind, text in lines]
        return payload

    def _streamed(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._should_stream_usage(**kwargs):
            kwargs["stream_options"] = {"include_usage": True}
        return {**kwargs, "stream": True}

    async def _batches(
        self, answer: chunks.Answer, payload: dict[str, Any]
    ) -> AsyncGenerator[list[Event], None]:
        """Yield the response's events until the answer, which reads them, is complete."""
        events = self._upstream.events(payload)
        del payload
        async with aclosing(events) as source:
            async for batch in source:
                yield batch
                if answer.whole:
                    async with aclosing(_rest(answer, source)) as rest:
                        async for more in rest:
                            yield more


def _read(
    answer: chunks.Answer, batch: list[Event], *, merge_tokens: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Empty a batch; return its texts, and the failure that cut them short, if one did."""
    texts = []
    failure = None
    for event in batch:
        try:
            text = answer.add(chunks.decode(event))
        except ServiceError as error:
            if not answer.whole:
                failure = error
                break
            answer.doubt = answer.doubt or error
            continue
        if text:
            texts.append(text)
    # Whoever handed it over would keep it for as long as the caller takes.
    batch.clear()
    if merge_tokens and len(texts) > 1:
        return [Delta("".join(texts), len(texts))], failure
    return [Delta(text) for text in texts], failure


async def _rest(
    answer: chunks.Answer, source: AsyncIterator[list[Event]]
) -> AsyncGenerator[list[Event], None]:
    """Yield what comes behind the finish reason, for as long as the answer stays whole.

    The usage is waited for a while. A source that breaks meanwhile, or is given up, has
    nothing more to yield, which ends the answer as it would end without the break.

    Raises:
        UpstreamEventTooLarge: An event comes that can be nothing but text.
    """
    resumed = -1
    deadline = 0.0
    while answer.whole:
        if resumed != answer.resumed:
            resumed = answer.resumed
            deadline = asyncio.get_running_loop().time() + REST_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                batch = await anext(source)
        except UpstreamEventTooLarge:
            raise
        except (StopAsyncIteration, TimeoutError, ServiceError):
            return
        yield batch
