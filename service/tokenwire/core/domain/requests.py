"""The request for an answer."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Final

from tokenwire.core.domain.chat_bodies import ChatBody
from tokenwire.core.domain.formats import Format
from tokenwire.core.domain.turns import Part, Turn


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may ask the caller to run.

    Attributes:
        name: The name.
        description: What the tool does, for the model.
        parameters: The JSON Schema of the arguments: the JSON of an object.
        strict: Whether the upstream must make the arguments fit the schema.
    """

    name: str
    description: str
    parameters: str
    strict: bool = False


class ToolMode(enum.Enum):
    """When the model calls tools, by OpenAI's names."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether and which tools the model calls.

    Attributes:
        mode: When the model calls tools; None for the upstream's default.
        name: The tool that the model must call; empty for any.
        parallel: Whether the model may call several tools at once; None for the default.
    """

    mode: ToolMode | None = None
    name: str = ""
    parallel: bool | None = None


class ServiceTier(enum.Enum):
    """A class of service at the upstream, by OpenAI's names."""

    AUTO = "auto"
    DEFAULT = "default"
    FLEX = "flex"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters. The upstream chooses the value of each that is None or empty."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    user: str = ""
    top_logprobs: int | None = None
    top_k: int | None = None
    min_p: float | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    service_tier: ServiceTier | None = None


class Effort(enum.Enum):
    """How much a model reasons before it answers, by OpenAI's names."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How the model reasons.

    Attributes:
        effort: How much; None for the model's own default.
        max_tokens: The most tokens to spend on it; None for no limit.
        show: Whether the caller receives the reasoning.
    """

    effort: Effort | None = None
    max_tokens: int | None = None
    show: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated request in which the service's defaults are applied.

    Attributes:
        content: The message to answer; may be empty if it has parts or if the history ends with
            the result of a tool.
        model: The model's name.
        system: The system prompt, or empty for none.
        history: The earlier turns, oldest first.
        sampling: The sampling parameters.
        parts: The data that belongs to `content`.
        tools: The tools that the model may call.
        tool_choice: Whether and which tools the model calls.
        reasoning: How the model reasons.
        format: The form of the answer's text; None for any text.
        stream_tool_calls: Whether the answer has pieces of tool calls instead of whole ones.
        show_progress: Whether the answer reports its stages.
        set_by_caller: Paths of the parameters that the caller set, such as
            `params.temperature`. A model that the settings list does not count.
        body: The request as the caller wrote it, if that was in OpenAI's JSON. The other fields
            express it as far as they can.
    """

    content: str
    model: str
    system: str = ""
    history: tuple[Turn, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    parts: tuple[Part, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    reasoning: Reasoning = field(default_factory=Reasoning)
    format: Format | None = None
    stream_tool_calls: bool = False
    show_progress: bool = False
    set_by_caller: frozenset[str] = frozenset()
    body: ChatBody | None = None

    def with_model(self, model: str) -> "ChatRequest":
        """Return this request with another model.

        This runs for each request on a route; `dataclasses.replace` takes twice the time.
        """
        return ChatRequest(self.content, model, *_after_model(self))

    def with_body(self, body: ChatBody) -> "ChatRequest":
        """Return this request with the form in which the caller wrote it."""
        return replace(self, body=body, set_by_caller=self.set_by_caller | body.set_by_caller)


_after_model: Final = attrgetter(*[each.name for each in fields(ChatRequest)[2:]])
"""Returns the values of all fields after the model, in their order."""
