"""Counts tokens with the tokenizer of the upstream's server."""

from typing import Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import ChatRequest
from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.core.large_work import next_step
from tokenwire.core.token_counter import TokenCount, estimate
from tokenwire.upstreams.http.value_cutter import ValueCutter
from tokenwire.upstreams.openai.chat_model import StreamingChatOpenAI
from tokenwire.upstreams.openai.json_request import MAX_REST_BYTES, JsonRequests
from tokenwire.upstreams.openai.request_form import RequestForm
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.openai.usage import read_count
from tokenwire.upstreams.prompt import MESSAGES_PER_STEP, to_drafts

PROMPT_FIELDS: Final[tuple[str, ...]] = ("model", "messages", "tools", "chat_template_kwargs")
"""The fields of a chat completion that vLLM's chat template reads."""


class OpenAITokenCounter:
    """Asks vLLM's `/tokenize`, or estimates.

    https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api

    Args:
        chat_model: Builds the payloads.
        form: The names of the upstream's parameters.
        upstream: The upstream.
        requests: Sends the requests; None if the upstream has no tokenizer.
    """

    def __init__(
        self,
        chat_model: StreamingChatOpenAI,
        form: RequestForm,
        upstream: Upstream,
        requests: JsonRequests | None,
    ) -> None:
        self.asks_upstream = requests is not None
        self._chat_model = chat_model
        self._form = form
        self._upstream = upstream
        self._requests = requests

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens; see `token_counter.TokenCounter`."""
        if len(request.history) > MESSAGES_PER_STEP:
            # Validating so many turns has taken milliseconds already.
            await next_step()
        # Also for an estimate, because it rejects what the upstream does not support.
        fields = self._form.fields(request)
        if self._requests is None:
            return await estimate(request)
        payload = self._chat_model.payload(to_drafts(request), None, {"model": request.model})
        payload.update(fields)
        prompt = {name: payload[name] for name in PROMPT_FIELDS if name in payload}
        cutter = ValueCutter("tokens", None, max_value_bytes=0, max_rest_bytes=MAX_REST_BYTES)
        response = await self._requests.post(self._upstream.tokenize_url, prompt, call, cutter)
        count = read_count(response, "count")
        if count is None:
            raise UpstreamProtocolError
        return TokenCount(count, estimated=False)
