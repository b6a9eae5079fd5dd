"""The fields of a chat-completions request that control reasoning, in each form in use."""

from collections.abc import Mapping
from typing import Any, Final

from tokenwire.config.upstream_parameters import ReasoningParameter
from tokenwire.core.domain import Effort, Reasoning
from tokenwire.core.errors import InvalidParameter

NO_LIMIT: Final = "is not supported by the upstream, which has no limit of reasoning tokens"


def reasoning_fields(reasoning: Reasoning, parameter: ReasoningParameter) -> Mapping[str, Any]:
    """Return the fields for `reasoning`; none if it leaves everything to the model.

    The last two forms only turn reasoning on or off: every effort but NONE turns it on.

    Raises:
        InvalidParameter: The upstream has no parameter for a value that is set.
    """
    effort, max_tokens = reasoning.effort, reasoning.max_tokens
    if effort is None and max_tokens is None:
        return {}
    if max_tokens is not None and parameter in ("reasoning_effort", "chat_template_kwargs"):
        raise InvalidParameter("reasoning.max_tokens", NO_LIMIT)
    enabled = effort is not Effort.NONE
    match parameter:
        case "reasoning_effort":
            assert effort is not None  # noqa: S101 - for the type checker; see above
            return {parameter: effort.value}
        case "reasoning":
            fields = {"effort": effort and effort.value, "max_tokens": max_tokens}
            return {parameter: {name: value for name, value in fields.items() if value}}
        case "thinking":
            budget = {"budget_tokens": max_tokens} if max_tokens and enabled else {}
            return {parameter: {"type": "enabled" if enabled else "disabled", **budget}}
        case "chat_template_kwargs":
            return {parameter: {"enable_thinking": enabled}}
