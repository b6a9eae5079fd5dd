"""The form in which an upstream takes what OpenAI's API has no field for, or another one."""

from dataclasses import dataclass
from typing import Any

from tokenwire.config.upstream_parameters import ConstraintParameter, ReasoningParameter
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.openai.format_fields import format_fields
from tokenwire.upstreams.openai.reasoning_fields import reasoning_fields
from tokenwire.upstreams.openai.tool_fields import tool_fields


@dataclass(frozen=True, slots=True)
class RequestForm:
    """The names of an upstream's parameters.

    Attributes:
        reasoning: The parameter for reasoning.
        constraint: The parameter for constraints of the answer's text.
    """

    reasoning: ReasoningParameter
    constraint: ConstraintParameter

    def fields(self, request: ChatRequest) -> dict[str, Any]:
        """Return the fields of a request besides its messages and sampling parameters.

        Raises:
            InvalidParameter: The upstream does not support a value of the request.
        """
        return {
            **reasoning_fields(request.reasoning, self.reasoning),
            **format_fields(request.format, self.constraint),
            **tool_fields(request),
        }
