"""Converts the parameters of a chat model and of its calls to the fields of a request."""

from collections.abc import Mapping
from typing import Any, Final, cast

from tokenwire_client.langchain.tool_options import format_of_response, tool_choice_of, tools_of
from tokenwire_client.request import RequestOptions
from tokenwire_client.v1.chatgpt_pb2 import Effort, Reasoning, ServiceTier

AS_THEY_ARE: Final = (
    *("model", "temperature", "max_tokens", "top_p", "seed", "frequency_penalty"),
    *("presence_penalty", "user", "top_logprobs", "top_k", "min_p", "logit_bias", "labels"),
)
"""The parameters that have the name and the type of a field."""

PARAMETERS: Final = (
    *AS_THEY_ARE,
    *("service_tier", "reasoning_effort", "reasoning_max_tokens", "show_reasoning"),
)
"""The parameters of a chat model that a call can override, beside `stop` and `timeout`."""

OF_CALLS: Final = ("tools", "tool_choice", "parallel_tool_calls", "response_format")
"""The parameters that only a call has."""


def request_options(parameters: Mapping[str, Any]) -> RequestOptions:
    """Return the options of a request.

    Args:
        parameters: The parameters by their names; those that are None are not set.

    Raises:
        TypeError: There is no such parameter.
        ValueError: A parameter has a value that is not known.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    known = (*PARAMETERS, *OF_CALLS, "stop")
    if unknown := sorted(set(given) - set(known)):
        raise TypeError(
            f"ChatTokenwire has no parameter {unknown[0]!r}; a call may have timeout, "
            f"{', '.join(known)}"
        )
    options: dict[str, Any] = {name: given[name] for name in AS_THEY_ARE if name in given}
    if stop := given.get("stop"):
        options["stop"] = [stop] if isinstance(stop, str) else list(stop)
    if "service_tier" in given:
        tiers = dict(ServiceTier.items())
        options["service_tier"] = _named(tiers, "SERVICE_TIER_", given, "service_tier")
    if reasoning := _reasoning(given):
        options["reasoning"] = reasoning
    tools = tools_of(given.get("tools", ()))
    options["tools"] = tools
    if tools:
        options["tool_choice"] = tool_choice_of(
            given.get("tool_choice"), tools, parallel=given.get("parallel_tool_calls")
        )
    options["format"] = format_of_response(given.get("response_format"))
    return cast("RequestOptions", options)


def _reasoning(given: Mapping[str, Any]) -> Reasoning | None:
    names = ("reasoning_effort", "reasoning_max_tokens", "show_reasoning")
    if not any(name in given for name in names):
        return None
    reasoning = Reasoning(max_tokens=given.get(names[1]), show=bool(given.get(names[2])))
    if names[0] in given:
        reasoning.effort = _named(dict(Effort.items()), "EFFORT_", given, names[0])
    return reasoning


def _named(values: Mapping[str, int], prefix: str, given: Mapping[str, Any], name: str) -> Any:
    """Return the value of an enum whose name, without its prefix and in small letters, is given."""
    words = {key.removeprefix(prefix).lower(): value for key, value in values.items() if value}
    if given[name] not in words:
        raise ValueError(f"{name} is {given[name]!r}; it must be one of {', '.join(words)}")
    return words[given[name]]
