"""Counts tokens with the tokenizer of the upstream's server."""

from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import ChatRequest
from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.core.large_work import next_step
from tokenwire.core.token_counter import TokenCount, estimate
from tokenwire.upstreams.http.value_cutter import ValueCutter
from tokenwire.upstreams.openai.chat_payload import ChatForm
from tokenwire.upstreams.openai.dialect import Dialect
from tokenwire.upstreams.openai.json_request import MAX_REST_BYTES, JsonRequests
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.openai.usage import read_count
from tokenwire.upstreams.prompt import MESSAGES_PER_STEP, to_drafts

PROMPT_FIELDS: Final[tuple[str, ...]] = ("model", "messages", "tools", "chat_template_kwargs")
"""The fields of a chat completion that vLLM's chat template reads."""


class Tokenizer:
    """Asks vLLM's `/tokenize`.

    https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api

    Args:
        chat_form: Writes the messages.
        form: The names of the upstream's parameters.
        upstream: The upstream.
        requests: Sends the requests.
    """

    def __init__(
        self,
        chat_form: ChatForm,
        form: RequestForm,
        upstream: Upstream,
        requests: JsonRequests,
    ) -> None:
        self._chat_form = chat_form
        self._form = form
        self._upstream = upstream
        self._requests = requests

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens; see `token_counter.TokenCounter`."""
        payload = self._chat_form.payload(to_drafts(request), {"model": request.model})
        payload.update(self._form.fields(request))
        prompt = {name: payload[name] for name in PROMPT_FIELDS if name in payload}
        cutter = ValueCutter("tokens", None, max_value_bytes=0, max_rest_bytes=MAX_REST_BYTES)
        response = await self._requests.post(self._upstream.tokenize_url, prompt, call, cutter)
        count = read_count(response, "count")
        if count is None:
            raise UpstreamProtocolError
        return TokenCount(count, estimated=False)


class OpenAITokenCounter:
    """Asks the upstream's tokenizer, or estimates.

    Args:
        dialect: Rejects what the upstream does not support.
        tokenizer: The tokenizer; None if the upstream has none.
    """

    def __init__(self, dialect: Dialect, tokenizer: Tokenizer | None) -> None:
        self.asks_upstream = tokenizer is not None
        self._dialect = dialect
        self._tokenizer = tokenizer

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens; see `token_counter.TokenCounter`."""
        if len(request.history) > MESSAGES_PER_STEP:
            # Validating so many turns has taken milliseconds already.
            await next_step()
        # Also for an estimate, so that a prompt that is counted is one that Send accepts.
        self._dialect.check(request)
        if self._tokenizer is None:
            return await estimate(request)
        return await self._tokenizer.count(request, call)
