"""The provider `ollama`: the API of Ollama's server."""

import json
import logging
from typing import Any, Final

import httpx
import msgspec
from langchain_ollama import ChatOllama

from tokenwire.config.providers import ProviderSettings
from tokenwire.core.domain import (
    ChatRequest,
    Effort,
    JsonObject,
    JsonSchema,
    Role,
    ToolMode,
    Turn,
    Usage,
)
from tokenwire.core.errors import InvalidParameter, UpstreamProtocolError
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.langchain.facts import Facts, name_in
from tokenwire.upstreams.langchain.framing import JsonLines
from tokenwire.upstreams.langchain.transport import Transport
from tokenwire.upstreams.openai.tool_fields import tool_fields
from tokenwire.upstreams.openai.usage import count_of
from tokenwire.upstreams.tool_call_assembler import ToolCallPiece

LOADED: Final = ("load", "unload")
"""The reasons of responses to requests that only load or unload a model: nothing is generated."""


class OllamaDialect:
    """Ollama's package and wire format.

    Args:
        settings: The address and the key.
        default_model: A model's name, which the package requires.
        client: Sends the requests.
    """

    def __init__(self, settings: ProviderSettings, default_model: str, client: HttpClient) -> None:
        # The logger writes a line for each request.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        own: dict[str, Any] = {"trust_env": False, "follow_redirects": False}
        if key:
            own["headers"] = {"Authorization": f"Bearer {key}"}
        self._chat_model = ChatOllama(
            model=default_model,
            base_url=str(settings.base_url).rstrip("/"),
            client_kwargs=own,
            async_client_kwargs={"transport": Transport(client, httpx, JsonLines)},
        )

    def chat_model(self, name: str) -> ChatOllama:
        """Return the one chat model, which has no defaults that depend on the model."""
        del name
        return self._chat_model

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """Return the arguments of `_astream`; see `ProviderDialect`."""
        if request.tool_choice.mode is ToolMode.REQUIRED:
            raise InvalidParameter(
                "tool_choice.mode",
                "must be MODE_AUTO or MODE_NONE with the provider ollama",
            )
        sampling = request.sampling
        options = {
            "temperature": sampling.temperature,
            "num_predict": sampling.max_tokens,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
        }
        effort = request.reasoning.effort
        parameters: dict[str, Any] = {
            "model": request.model,
            "options": {name: value for name, value in options.items() if value is not None},
            # The package passes reasoning on only with `reasoning`; the server receives `think`.
            "reasoning": True,
            "think": None if effort is None else effort is not Effort.NONE,
        }
        match request.format:
            case JsonSchema():
                parameters["format"] = json.loads(request.format.schema)
            case JsonObject():
                parameters["format"] = "json"
        return parameters

    def amends(self, request: ChatRequest) -> bool:
        """Return True: the package drops something of most requests."""
        del request
        return True

    def amend(self, request: ChatRequest, body: dict[str, Any]) -> None:
        """Restore what the package changes: schemas of tools, ids of calls, texts beside images."""
        if request.tools and request.tool_choice.mode is not ToolMode.NONE:
            body["tools"] = tool_fields(request)["tools"]
        messages = body["messages"]
        names: dict[str, str] = {}
        # The first message may be the system prompt, and the last one is not in the history.
        start = 1 if request.system else 0
        for turn, message in zip(request.history, messages[start:], strict=False):
            message["content"] = turn.content
            _restore_calls(turn, message, names)
        if request.parts:
            messages[-1]["content"] = request.content

    def observe(self, event: dict[str, Any], facts: Facts) -> None:
        """Record what an event says; see `ProviderDialect`."""
        facts.model = name_in(event.get("model")) or facts.model
        message = event.get("message")
        if not isinstance(message, dict):
            message = {}
        for name in ("content", "thinking"):
            if not isinstance(message.get(name), str | None):
                raise UpstreamProtocolError
        calls = message.get("tool_calls")
        if calls:
            facts.pieces += _pieces(calls)
        inputs, outputs = (
            count_of(event.get("prompt_eval_count")),
            count_of(event.get("eval_count")),
        )
        if inputs is not None and outputs is not None:
            facts.usage = Usage(inputs, outputs)
        done = event.get("done") is True
        if done:
            reason = name_in(event.get("done_reason")) or "stop"
            facts.finish_reason = "" if reason in LOADED else reason
            facts.ended = True
        # The package's types reject events over fields that have no meaning here.
        event.clear()
        event["message"] = {
            "role": "assistant",
            "content": message.get("content") or "",
            "thinking": message.get("thinking"),
        }
        event["done"] = done


def _restore_calls(turn: Turn, message: dict[str, Any], names: dict[str, str]) -> None:
    """Restore the tool calls or the result of one in a message.

    Args:
        turn: The turn.
        message: The message, in Ollama's form.
        names: The names of the tools by the ids of the calls so far.
    """
    if turn.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "function": {
                    "index": call.index,
                    "name": call.name,
                    "arguments": msgspec.Raw(call.arguments.encode()),
                },
            }
            for call in turn.tool_calls
        ]
        names.update({call.id: call.name for call in turn.tool_calls})
    if turn.role is Role.TOOL:
        message["tool_name"] = names.get(turn.tool_call_id, "")
        message["tool_call_id"] = turn.tool_call_id


def _pieces(calls: object) -> list[ToolCallPiece]:
    if not isinstance(calls, list):
        raise UpstreamProtocolError
    return [_piece(call) for call in calls]


def _piece(call: object) -> ToolCallPiece:
    match call:
        case {"function": {"name": str() as name} as function, **others}:
            arguments = function.get("arguments")
            if arguments is None:
                arguments = ""
            elif not isinstance(arguments, str):
                # The package would convert values that look like JSON.
                arguments = msgspec.json.encode(arguments).decode()
            return ToolCallPiece(None, name_in(others.get("id")), name, arguments or "{}")
        case _:
            raise UpstreamProtocolError
