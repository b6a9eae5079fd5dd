"""Rejects the fields of a request that a provider lacks."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final

from tokenwire.core.domain import (
    ChatRequest,
    Choices,
    Format,
    Grammar,
    JsonObject,
    JsonSchema,
    Part,
    Regex,
    Role,
)
from tokenwire.core.errors import InvalidParameter

FORMATS: Final[Mapping[type[Format], str]] = {
    JsonSchema: "format.json_schema",
    JsonObject: "format.json",
    Regex: "format.regex",
    Grammar: "format.grammar",
    Choices: "format.choices",
}


def check_support(request: ChatRequest, fields: Container[str], provider: str = "") -> None:
    """Require that the provider takes every field that the request sets.

    Args:
        request: The request.
        fields: The fields that the provider takes; see `Provider`.
        provider: The name of the provider; empty if it is unknown.

    Raises:
        InvalidParameter: The provider lacks a field; the error names it.
    """
    for field, path in _set_fields(request):
        if field not in fields:
            raise not_supported(path, provider)


def check_system_turns(request: ChatRequest, provider: str) -> None:
    """Require that turns of the system come before all others, as some providers need it.

    Raises:
        InvalidParameter: One comes later; the error names it.
    """
    is_first = True
    for index, turn in enumerate(request.history):
        is_first = is_first and turn.role is Role.SYSTEM
        if turn.role is Role.SYSTEM and not is_first:
            raise InvalidParameter(
                f"history[{index}].role",
                f"may be ROLE_SYSTEM only before all other turns with the provider {provider}",
            )


def not_supported(path: str, provider: str = "") -> InvalidParameter:
    """Return the error of a field that a provider lacks."""
    name = f"the provider {provider}" if provider else "this provider"
    return InvalidParameter(path, f"is not supported with {name}")


def _set_fields(request: ChatRequest) -> Iterator[tuple[str, str]]:
    """Yield each field that is set and that a provider may lack, and its path in the request."""
    sampling, choice = request.sampling, request.tool_choice
    values = {
        "params.temperature": sampling.temperature,
        "params.max_tokens": sampling.max_tokens,
        "params.top_p": sampling.top_p,
        "params.stop": sampling.stop or None,
        "params.seed": sampling.seed,
        "params.frequency_penalty": sampling.frequency_penalty,
        "params.presence_penalty": sampling.presence_penalty,
        "params.user": sampling.user or None,
        "params.top_logprobs": sampling.top_logprobs,
        "params.top_k": sampling.top_k,
        "params.min_p": sampling.min_p,
        "params.logit_bias": sampling.logit_bias or None,
        "params.service_tier": sampling.service_tier,
        "reasoning.effort": request.reasoning.effort,
        "reasoning.max_tokens": request.reasoning.max_tokens,
        "tool_choice.mode": choice.mode,
        "tool_choice.name": choice.name or None,
        "tool_choice.parallel": choice.parallel,
    }
    yield from ((field, field) for field, value in values.items() if value is not None)
    if request.format is not None:
        field = FORMATS[type(request.format)]
        yield field, field
    for index, tool in enumerate(request.tools):
        if tool.strict:
            yield "tools.strict", f"tools[{index}].strict"
    yield from _parts(request.parts, "parts")
    for index, turn in enumerate(request.history):
        yield from _parts(turn.parts, f"history[{index}].parts")


def _parts(parts: Sequence[Part], path: str) -> Iterator[tuple[str, str]]:
    for index, part in enumerate(parts):
        yield f"parts.{part.kind.value}", f"{path}[{index}]"
        if part.url:
            yield "parts.url", f"{path}[{index}].url"
        if part.detail:
            yield "parts.detail", f"{path}[{index}].detail"
