"""The dialects of OpenAI-compatible upstreams: how a request is written and an answer is read."""

from typing import Any, Protocol

from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.openai.body_payload import BodyForm
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.chunks import ChunkReader
from tokenwire.upstreams.openai.member_chunks import MemberReader
from tokenwire.upstreams.openai.reader import AnswerReader
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.responses.items import input_items
from tokenwire.upstreams.openai.responses.reader import ResponsesReader
from tokenwire.upstreams.openai.responses.request import check_support, request_fields
from tokenwire.upstreams.prompt import to_drafts, to_parameters
from tokenwire.upstreams.translated import check_translated


class Dialect(Protocol):
    """Writes requests and reads answers.

    Attributes:
        chat_model: Builds the payloads.
    """

    chat_model: StreamingChatOpenAI

    def check(self, request: ChatRequest) -> None:
        """Reject what the dialect or the upstream does not support.

        Raises:
            InvalidParameter: The request sets such a field.
        """
        ...

    def payload(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request, before encoding.

        Raises:
            InvalidParameter: The dialect or the upstream does not support a value.
        """
        ...

    def reader(self, request: ChatRequest) -> AnswerReader:
        """Return a reader of the answer to a request, of which it keeps nothing."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class ChatDialect:
    """The dialect of chat completions.

    Args:
        chat_model: Builds the payloads.
        form: The names of the upstream's parameters.
    """

    def __init__(self, chat_model: StreamingChatOpenAI, form: RequestForm) -> None:
        self.chat_model = chat_model
        self._form = form
        self._body_form = BodyForm(
            form,
            chat_model.max_tokens_parameter,
            stream_usage=bool(chat_model.stream_usage),
            codec=chat_model.codec,
        )

    def check(self, request: ChatRequest) -> None:
        """Reject what the upstream does not support; see `Dialect`."""
        self._form.fields(request)

    def payload(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request; see `Dialect`."""
        if request.body:
            return self._body_form.payload(request, request.body)
        fields = self._form.fields(request)
        payload = self.chat_model.payload(
            to_drafts(request), list(request.sampling.stop) or None, to_parameters(request)
        )
        return payload | fields

    def reader(self, request: ChatRequest) -> ChunkReader:
        """Return a reader of the answer; see `Dialect`."""
        kind = MemberReader if request.body else ChunkReader
        return kind(
            self.chat_model.codec if request.tools else None,
            with_logprobs=request.sampling.top_logprobs is not None,
            in_pieces=request.stream_tool_calls,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self.chat_model.aclose()


class ResponsesDialect:
    """The dialect of the responses API.

    Args:
        chat_model: Builds the payloads; its `use_responses_api` is set.
    """

    def __init__(self, chat_model: StreamingChatOpenAI) -> None:
        self.chat_model = chat_model

    def check(self, request: ChatRequest) -> None:
        """Reject what the API does not have; see `Dialect`."""
        check_translated(request.body)
        check_support(request)

    def payload(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request; see `Dialect`."""
        self.check(request)
        parameters = to_parameters(request)
        # `include` asks for them here.
        parameters.pop("logprobs", None)
        payload = self.chat_model.responses_payload(parameters, request_fields(request))
        # LangChain drops a temperature that it knows to be unsupported. The caller's must not be
        # dropped in silence.
        if "params.temperature" in request.set_by_caller:
            payload["temperature"] = request.sampling.temperature
        payload["input"] = input_items(to_drafts(request), self.chat_model.codec)
        return payload

    def reader(self, request: ChatRequest) -> ResponsesReader:
        """Return a reader of the answer; see `Dialect`."""
        return ResponsesReader(
            self.chat_model.codec if request.tools else None,
            with_logprobs=request.sampling.top_logprobs is not None,
            in_pieces=request.stream_tool_calls,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self.chat_model.aclose()
