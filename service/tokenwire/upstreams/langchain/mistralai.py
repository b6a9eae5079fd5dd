"""The provider `mistralai`: Mistral's chat completions.

https://docs.mistral.ai/api/endpoint/chat
"""

import logging
from dataclasses import replace
from typing import Any, Final

import httpx
import msgspec
from langchain_core.messages import is_data_content_block
from langchain_core.messages.block_translators.openai import convert_to_openai_data_block
from langchain_mistralai import ChatMistralAI

from tokenwire.config.providers import ProviderSettings
from tokenwire.core.domain import ChatRequest, Role, Turn
from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.facts import Facts, name_in
from tokenwire.upstreams.langchain.framing import UnnamedEvents
from tokenwire.upstreams.langchain.transport import Transport
from tokenwire.upstreams.openai.format_fields import format_fields
from tokenwire.upstreams.openai.irregular_chunks import text_and_reasoning_of
from tokenwire.upstreams.openai.tool_call_pieces import pieces_of
from tokenwire.upstreams.openai.tool_fields import tool_fields
from tokenwire.upstreams.openai.usage import read_usage

DEFAULTS: Final = ("temperature", "top_p")
"""Parameters for which the package has defaults of its own, in place of the model's."""
NO_ID: Final = "null"
"""The id in pieces of tool calls that continue a call."""


class MistralDialect:
    """Mistral's package and wire format.

    Args:
        settings: The address and the key.
        default_model: A model's name, which the package requires.
        client: Sends the requests.
    """

    def __init__(self, settings: ProviderSettings, default_model: str, client: HttpClient) -> None:
        # The logger writes a line for each request.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        base_url = str(settings.base_url).rstrip("/")
        transport: Any = Transport(client, httpx, UnnamedEvents)
        self._chat_model = ChatMistralAI(
            model_name=default_model,
            # Explicit, so that no variable of the package applies.
            api_key=key,
            base_url=base_url,
            max_retries=1,
            async_client=httpx.AsyncClient(
                transport=transport,
                base_url=base_url,
                headers={"Authorization": f"Bearer {key}"},
                trust_env=False,
            ),
            # Never used; the package would create one that loads authorities.
            client=httpx.Client(transport=httpx.BaseTransport(), trust_env=False),
        )

    def chat_model(self, name: str) -> ChatMistralAI:
        """Return the one chat model, which has no defaults that depend on the model."""
        del name
        return self._chat_model

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """Return the arguments of `_astream`; see `ProviderDialect`."""
        sampling, effort = request.sampling, request.reasoning.effort
        values = {
            "model": request.model,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "top_p": sampling.top_p,
            "stop": list(sampling.stop) or None,
            "random_seed": sampling.seed,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "reasoning_effort": effort and effort.value,
        }
        return {name: value for name, value in values.items() if value is not None}

    def amends(self, request: ChatRequest) -> bool:
        """Return True: the package adds parameters to most requests."""
        del request
        return True

    def amend(self, request: ChatRequest, body: dict[str, Any]) -> None:
        """Remove the package's defaults; add what it changes: schemas, arguments and results."""
        given = self.parameters(request)
        for name in DEFAULTS:
            if name not in given:
                body.pop(name, None)
        body |= tool_fields(request)
        body |= format_fields(request.format, "none")
        names: dict[str, str] = {}
        # The first message may be the system prompt, and the last one is not in the history.
        start = 1 if request.system else 0
        for turn, message in zip(request.history, body["messages"][start:], strict=False):
            _restore(turn, message, names)

    def observe(self, event: dict[str, Any], facts: Facts) -> None:
        """Record what an event says; see `ProviderDialect`."""
        facts.id = name_in(event.get("id")) or facts.id
        facts.model = name_in(event.get("model")) or facts.model
        if isinstance(event.get("usage"), dict):
            facts.usage = read_usage(msgspec.Raw(msgspec.json.encode(event["usage"]))) or (
                facts.usage
            )
        content = _read_choice(event.get("choices"), facts)
        # The package's types reject events over fields that have no meaning here.
        event.clear()
        event["choices"] = [{"delta": {"role": "assistant", "content": content}}]


def _read_choice(choices: object, facts: Facts) -> str | list[dict[str, Any]]:
    """Return the content of a chunk in the package's form, and record the rest of the choice."""
    choice = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(choice, dict):
        raise UpstreamProtocolError
    facts.finish_reason = name_in(choice.get("finish_reason")) or facts.finish_reason
    delta = choice.get("delta") or {}
    if not isinstance(delta, dict):
        raise UpstreamProtocolError
    for call in pieces_of(delta.get("tool_calls") or [], None):
        facts.pieces.append(replace(call, id="") if call.id == NO_ID else call)
    text, reasoning = text_and_reasoning_of(delta.get("content"))
    if not reasoning:
        return text
    thinking = [{"type": "text", "text": reasoning}]
    return [{"type": "thinking", "thinking": thinking}, {"type": "text", "text": text}]


def _restore(turn: Turn, message: dict[str, Any], names: dict[str, str]) -> None:
    """Restore the arguments of tool calls, or the name and the parts of the result of one.

    Args:
        turn: The turn.
        message: The message, in Mistral's form.
        names: The names of the tools by the ids of the calls so far.
    """
    for call, sent in zip(turn.tool_calls, message.get("tool_calls", ()), strict=False):
        names[call.id] = call.name
        sent["function"]["arguments"] = call.arguments
    if turn.role is not Role.TOOL:
        return
    message["name"] = names.get(turn.tool_call_id)
    if turn.parts:
        message["content"] = [
            convert_to_openai_data_block(block) if is_data_content_block(block) else block
            for block in message["content"]
        ]
