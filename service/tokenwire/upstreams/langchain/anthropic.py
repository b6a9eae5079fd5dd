"""The provider `anthropic`: Anthropic's Messages API."""

import json
import logging
from functools import lru_cache
from typing import Any, Final

import httpx2
from anthropic import AsyncAnthropic
from langchain_anthropic import ChatAnthropic

from tokenwire.config.providers import ProviderSettings
from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import (
    ChatRequest,
    Effort,
    JsonSchema,
    Reasoning,
    Tool,
    ToolChoice,
    ToolMode,
    Usage,
)
from tokenwire.core.errors import InvalidParameter, UpstreamProtocolError
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.facts import Facts, name_in
from tokenwire.upstreams.langchain.framing import ServerSentEvents
from tokenwire.upstreams.langchain.support import check_system_turns
from tokenwire.upstreams.langchain.thinking import insert_blocks
from tokenwire.upstreams.langchain.transport import Transport
from tokenwire.upstreams.openai.usage import count_of

MAX_MODELS: Final = 32
"""The number of chat models that are kept; callers may name any."""
LOGGERS: Final = ("anthropic", "httpx2")
"""Loggers that write a line for each request."""

MODES: Final = {ToolMode.AUTO: "auto", ToolMode.NONE: "none", ToolMode.REQUIRED: "any"}
EFFORTS: Final = (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH)
DELTA_TEXTS: Final = ("text", "thinking", "partial_json")
COUNTS: Final = (
    *("input_tokens", "output_tokens"),
    *("cache_creation_input_tokens", "cache_read_input_tokens"),
)


class AnthropicDialect:
    """Anthropic's package and wire format.

    Args:
        settings: The address and the key.
        default_model: Not needed.
        client: Sends the requests.
    """

    def __init__(self, settings: ProviderSettings, default_model: str, client: HttpClient) -> None:
        del default_model
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        base_url = str(settings.base_url).rstrip("/")
        self._codec = StateCodec(base_url, "anthropic")
        transport: Any = Transport(client, httpx2, ServerSentEvents)
        sender = AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,
            # Otherwise variables decide whether the SDK exports spans, with prompts in them.
            open_telemetry=False,
            http_client=httpx2.AsyncClient(
                transport=transport, base_url=base_url, trust_env=False, timeout=None
            ),
        )

        def make(name: str) -> ChatAnthropic:
            chat_model = ChatAnthropic(
                model=name,
                # Explicit, so that no variable of the package applies.
                api_key=key,
                base_url=base_url,
                anthropic_proxy=None,
                max_retries=0,
                timeout=None,
                stop=None,
            )
            # A cached property, which would create a client with the package's own transport.
            chat_model.__dict__["_async_client"] = sender
            return chat_model

        self._chat_model = lru_cache(MAX_MODELS)(make)

    def chat_model(self, name: str) -> ChatAnthropic:
        """Return the chat model for a model: the package's defaults depend on it."""
        return self._chat_model(name)

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """Return the arguments of `_astream`; see `ProviderDialect`."""
        check_system_turns(request, "anthropic")
        sampling = request.sampling
        values = {
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
        parameters: dict[str, Any] = {
            name: value for name, value in values.items() if value is not None
        }
        if sampling.stop:
            parameters["stop"] = list(sampling.stop)
        parameters |= _reasoning(request.reasoning)
        if isinstance(request.format, JsonSchema):
            schema = json.loads(request.format.schema)
            parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        if request.tools:
            parameters["tools"] = [_tool(tool) for tool in request.tools]
            parameters |= _tool_choice(request.tool_choice)
        return parameters

    def amends(self, request: ChatRequest) -> bool:
        """Report whether a turn has signed reasoning, which the package does not know."""
        return any(turn.state for turn in request.history)

    def amend(self, request: ChatRequest, body: dict[str, Any]) -> None:
        """Insert signed reasoning; see `ProviderDialect`."""
        insert_blocks(request, body, self._codec)

    def observe(self, event: dict[str, Any], facts: Facts) -> None:
        """Record what an event says; see `ProviderDialect`."""
        match event:
            case {"type": "message_start", "message": dict() as message}:
                facts.id = name_in(message.get("id")) or facts.id
                facts.model = name_in(message.get("model")) or facts.model
                _count(message.get("usage"), facts)
            case {"type": "content_block_start"}:
                facts.thinking.begin(event.get("index"), event.get("content_block"))
            case {"type": "content_block_delta"}:
                _check_delta(event.get("delta"))
                facts.thinking.extend(event.get("index"), event.get("delta"))
            case {"type": "message_delta"}:
                delta = event.get("delta")
                reason = name_in(delta.get("stop_reason")) if isinstance(delta, dict) else ""
                facts.finish_reason = reason or facts.finish_reason
                _count(event.get("usage"), facts)
            case {"type": "message_stop"}:
                facts.state = facts.thinking.encoded(self._codec)
                facts.ended = True


def _check_delta(delta: object) -> None:
    """Require that a part of a block is text: the package drops or rejects everything else."""
    if not isinstance(delta, dict):
        raise UpstreamProtocolError
    if not all(isinstance(delta.get(name, ""), str) for name in DELTA_TEXTS):
        raise UpstreamProtocolError


def _reasoning(reasoning: Reasoning) -> dict[str, Any]:
    effort, budget = reasoning.effort, reasoning.max_tokens
    if effort is Effort.NONE:
        return {"thinking": {"type": "disabled"}}
    parameters: dict[str, Any] = {}
    if budget is not None:
        parameters["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if effort is not None:
        if effort not in EFFORTS:
            names = ", ".join(f"EFFORT_{each.name}" for each in (Effort.NONE, *EFFORTS))
            raise InvalidParameter(
                "reasoning.effort", f"must be one of {names} with the provider anthropic"
            )
        parameters["reasoning_effort"] = effort.value
    return parameters


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    fields["input_schema"] = json.loads(tool.parameters)
    if tool.strict:
        fields["strict"] = True
    return fields


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if choice.name:
        fields = {"type": "tool", "name": choice.name}
    elif choice.mode:
        fields = {"type": MODES[choice.mode]}
    if choice.parallel is not None and choice.mode is not ToolMode.NONE:
        fields.setdefault("type", "auto")
        fields["disable_parallel_tool_use"] = not choice.parallel
    return {"tool_choice": fields} if fields else {}


def _count(counts: object, facts: Facts) -> None:
    """Update the token counts: the input comes in the first event, the output in the last."""
    if not isinstance(counts, dict):
        return
    for name in COUNTS:
        count = count_of(counts.get(name))
        if count is not None:
            facts.counts[name] = count
    details = counts.get("output_tokens_details")
    reasoning = count_of(details.get("thinking_tokens")) if isinstance(details, dict) else None
    if reasoning is not None:
        facts.counts["thinking_tokens"] = reasoning
    known = facts.counts
    if not {"input_tokens", "output_tokens"} <= known.keys():
        return
    cached = known.get("cache_read_input_tokens", 0)
    facts.usage = Usage(
        # Anthropic counts cached tokens beside the input.
        input_tokens=known["input_tokens"] + known.get("cache_creation_input_tokens", 0) + cached,
        output_tokens=max(known["output_tokens"], known.get("thinking_tokens", 0)),
        cached_input_tokens=cached,
        reasoning_tokens=known.get("thinking_tokens", 0),
        cache_write_input_tokens=known.get("cache_creation_input_tokens", 0),
    )
