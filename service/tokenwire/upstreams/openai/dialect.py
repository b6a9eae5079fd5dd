"""The dialects of OpenAI-compatible upstreams: how a request is written and an answer is read."""

from typing import Any, Protocol

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.openai.body_payload import BodyForm
from tokenwire.upstreams.openai.chat_payload import ChatForm
from tokenwire.upstreams.openai.chunks import ChunkReader
from tokenwire.upstreams.openai.member_chunks import MemberReader
from tokenwire.upstreams.openai.reader import AnswerReader
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.responses.payload import responses_payload
from tokenwire.upstreams.openai.responses.reader import ResponsesReader
from tokenwire.upstreams.openai.responses.request import check_support
from tokenwire.upstreams.prompt import to_drafts, to_parameters
from tokenwire.upstreams.translated import check_translated


class Dialect(Protocol):
    """Writes requests and reads answers."""

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


class ChatDialect:
    """The dialect of chat completions.

    Args:
        chat_form: What differs in the bodies of the upstream.
        form: The names of the upstream's parameters.
    """

    def __init__(self, chat_form: ChatForm, form: RequestForm) -> None:
        self._chat_form = chat_form
        self._form = form
        self._body_form = BodyForm(
            form,
            chat_form.max_tokens_parameter,
            stream_usage=chat_form.stream_usage,
            codec=chat_form.codec,
        )

    def check(self, request: ChatRequest) -> None:
        """Reject what the upstream does not support; see `Dialect`."""
        self._form.fields(request)

    def payload(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request; see `Dialect`."""
        if request.body:
            return self._body_form.payload(request, request.body)
        fields = self._form.fields(request)
        payload = self._chat_form.payload(
            to_drafts(request), to_parameters(request), request.sampling.stop
        )
        return payload | fields

    def reader(self, request: ChatRequest) -> ChunkReader:
        """Return a reader of the answer; see `Dialect`."""
        kind = MemberReader if request.body else ChunkReader
        return kind(
            self._chat_form.codec if request.tools else None,
            with_logprobs=request.sampling.top_logprobs is not None,
            in_pieces=request.stream_tool_calls,
        )


class ResponsesDialect:
    """The dialect of the responses API.

    Args:
        codec: Encodes what the upstream needs back, and decodes it.
    """

    def __init__(self, codec: StateCodec) -> None:
        self._codec = codec

    def check(self, request: ChatRequest) -> None:
        """Reject what the API does not have; see `Dialect`."""
        check_translated(request.body)
        check_support(request)

    def payload(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request; see `Dialect`."""
        self.check(request)
        return responses_payload(request, self._codec)

    def reader(self, request: ChatRequest) -> ResponsesReader:
        """Return a reader of the answer; see `Dialect`."""
        return ResponsesReader(
            self._codec if request.tools else None,
            with_logprobs=request.sampling.top_logprobs is not None,
            in_pieces=request.stream_tool_calls,
        )
