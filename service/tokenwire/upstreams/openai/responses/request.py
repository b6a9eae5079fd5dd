"""The fields of a responses request besides its input and its sampling parameters."""

import re
from collections.abc import Sequence
from typing import Any, Final

from tokenwire.core.domain import (
    ChatRequest,
    Choices,
    Format,
    Grammar,
    Part,
    PartKind,
    Reasoning,
    Regex,
)
from tokenwire.core.errors import InvalidParameter
from tokenwire.upstreams.openai.format_fields import FIELDS as CONSTRAINTS
from tokenwire.upstreams.openai.format_fields import format_fields
from tokenwire.upstreams.openai.reasoning_fields import NO_LIMIT
from tokenwire.upstreams.openai.tool_fields import tool_fields

UNSUPPORTED: Final = "is not supported by the responses API; see TOKENWIRE_DIALECT"
PARAMETERS: Final = (
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "top_k",
    "min_p",
    "logit_bias",
)
"""The sampling parameters that the API does not have."""
UNSET: Final[tuple[object, ...]] = (None, (), {})

REASONING_MODEL: Final = re.compile(r"(?:^|[/:])(?:o[1-9]|gpt-[5-9]|gpt-oss|codex)(?!.*chat)")
"""The names of OpenAI's models that reason. Others reject a request for encrypted reasoning."""
OTHER_MODEL: Final = re.compile(r"(?:^|[/:])(?:gpt-[34]|chatgpt-|gpt-[5-9].*chat)")
"""The names of OpenAI's models that do not reason, and reject a request for a summary of it."""
LOGPROBS: Final = "message.output_text.logprobs"
ENCRYPTED_REASONING: Final = "reasoning.encrypted_content"


def check_support(request: ChatRequest) -> None:
    """Reject what the API has no field for.

    Raises:
        InvalidParameter: The request sets such a field.
    """
    for name in PARAMETERS:
        if getattr(request.sampling, name) not in UNSET:
            raise InvalidParameter(f"params.{name}", UNSUPPORTED)
    if request.reasoning.max_tokens is not None:
        raise InvalidParameter("reasoning.max_tokens", NO_LIMIT)
    if isinstance(request.format, Regex | Grammar | Choices):
        raise InvalidParameter(CONSTRAINTS[type(request.format)], UNSUPPORTED)
    _check_parts(request.parts, "parts")
    for index, turn in enumerate(request.history):
        if turn.parts:
            _check_parts(turn.parts, f"history[{index}].parts")


def _check_parts(parts: Sequence[Part], path: str) -> None:
    for index, part in enumerate(parts):
        if part.kind is PartKind.AUDIO and part.url:
            raise InvalidParameter(f"{path}[{index}].url", UNSUPPORTED)


def request_fields(request: ChatRequest) -> dict[str, Any]:
    """Return the fields."""
    fields: dict[str, Any] = {
        # The conversation belongs to the caller.
        "store": False,
        **_text(request.format),
        **_tools(request),
    }
    if reasoning := _reasoning(request.reasoning, request.model):
        fields["reasoning"] = reasoning
    reasons = bool(request.reasoning.effort) or REASONING_MODEL.search(request.model)
    include = [ENCRYPTED_REASONING] if request.tools and reasons else []
    if request.sampling.top_logprobs is not None:
        include.append(LOGPROBS)
    if include:
        fields["include"] = include
    return fields


def _text(form: Format | None) -> dict[str, Any]:
    """Return the fields for a format, which chat completions have in another form."""
    fields = format_fields(form, "none")
    if not fields:
        return {}
    chosen = dict(fields["response_format"])
    schema = chosen.pop("json_schema", {})
    return {"text": {"format": chosen | schema}}


def _tools(request: ChatRequest) -> dict[str, Any]:
    """Return the fields for tools, which chat completions have one level deeper."""
    fields = tool_fields(request)
    if "tools" in fields:
        # Without `strict`, this API makes tools strict.
        fields["tools"] = [
            {"type": "function", "strict": False, **tool["function"]} for tool in fields["tools"]
        ]
    choice = fields.get("tool_choice")
    if isinstance(choice, dict):
        fields["tool_choice"] = {"type": "function", **choice["function"]}
    return fields


def _reasoning(reasoning: Reasoning, model: str) -> dict[str, str]:
    fields = {}
    if reasoning.effort:
        fields["effort"] = reasoning.effort.value
    if reasoning.show and not OTHER_MODEL.search(model):
        # The API does not have the reasoning itself.
        fields["summary"] = "auto"
    return fields
