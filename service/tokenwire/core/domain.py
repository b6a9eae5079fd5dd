"""The types of a conversation, independent of gRPC, LangChain and HTTP."""

import enum
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


class Role(enum.Enum):
    """The author of a turn."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool by the model.

    Attributes:
        id: The id of the call, unique within the answer.
        name: The tool's name.
        arguments: The arguments: the JSON of an object.
        index: The position of the call in the answer.
        state: What the upstream needs back with the call; opaque.
    """

    id: str
    name: str
    arguments: str
    index: int = 0
    state: bytes = b""


class PartKind(enum.Enum):
    """What a part holds."""

    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"


class Detail(enum.Enum):
    """How closely a model looks at an image, by OpenAI's names."""

    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Part:
    """Data that belongs to a text.

    Attributes:
        kind: What it holds.
        media_type: The media type, such as `image/png`; may be empty if `url` is set.
        url: The address of the data, which the upstream reads; empty if `data` is set.
        data: The data itself; empty if `url` is set.
        name: The name of a file; may be empty.
        detail: How closely the model looks at an image; None for the upstream's default.
    """

    kind: PartKind
    media_type: str
    url: str = ""
    data: bytes = b""
    name: str = ""
    detail: Detail | None = None


class Turn(NamedTuple):
    """One earlier turn of the conversation. A request has thousands, so it must be cheap to create.

    Attributes:
        role: The author.
        content: The text; with Role.TOOL, the result of the call.
        tool_calls: The tools that the model called. Role.ASSISTANT only.
        tool_call_id: The id of the call whose result the turn is. Role.TOOL only.
        parts: The data that belongs to the text. Role.USER and Role.TOOL only.
        reasoning: What the model reasoned. Role.ASSISTANT only.
        state: What the upstream needs back; opaque. Role.ASSISTANT only.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    parts: tuple[Part, ...] = ()
    reasoning: str = ""
    state: bytes = b""


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


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that fits a schema.

    Attributes:
        name: The schema's name, for the model.
        schema: The JSON Schema: the JSON of an object.
        strict: Whether the upstream must enforce it exactly; None for its default.
    """

    name: str
    schema: str
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A text that matches a regular expression."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """A text of a context-free grammar, in the upstream's notation."""

    grammar: str


@dataclass(frozen=True, slots=True)
class Choices:
    """One of several texts."""

    values: tuple[str, ...]


Format: TypeAlias = JsonSchema | JsonObject | Regex | Grammar | Choices
"""The form of an answer's text."""


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
        set_by_caller: Paths of the parameters that the caller set, such as
            `params.temperature`. A model that the settings list does not count.
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
    set_by_caller: frozenset[str] = frozenset()


class FinishReason(enum.Enum):
    """Why the model stopped generating."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as reported by the upstream.

    `input_tokens` includes tokens that were read from or written to a cache, and audio;
    `output_tokens` includes reasoning and audio.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_input_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """A token that the model could have chosen.

    Attributes:
        token: The token's text.
        logprob: The natural logarithm of its probability.
        raw: The token's bytes; empty if they are unknown.
    """

    token: str
    logprob: float
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the text and how probable it was.

    Attributes:
        token: The token's text.
        logprob: The natural logarithm of its probability.
        raw: The token's bytes; empty if they are unknown.
        top: The most probable tokens in its place.
    """

    token: str
    logprob: float
    raw: bytes = b""
    top: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """The next part of the answer, merged from `tokens` upstream events.

    Attributes:
        text: The text.
        tokens: The number of upstream events.
        reasoning: The model's reasoning, which came before the text.
        tool_calls: Tool calls, which came after the text.
        logprobs: The log probabilities of the tokens of the text, if they were asked for.
    """

    text: str
    tokens: int = 1
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A source that an answer names.

    Attributes:
        url: The address of the source.
        title: The title of the source; may be empty.
        start: The first character of the text that the source supports.
        end: The character after it; 0 if the upstream does not report the text.
    """

    url: str
    title: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a complete answer.

    Attributes:
        finish_reason: Why the model stopped.
        usage: The token counts; None if the upstream reports none.
        model: The model that answered, as the upstream names it; may be empty.
        id: The upstream's id of the answer; may be empty.
        citations: The sources that the answer names.
        refused: Whether the model refused to answer.
        state: What the upstream needs back in the next request; opaque.
    """

    finish_reason: FinishReason
    usage: Usage | None
    model: str
    id: str
    citations: tuple[Citation, ...] = ()
    refused: bool = False
    state: bytes = b""


AnswerStream: TypeAlias = AsyncGenerator[Delta | Completion, None]
"""Deltas with text, then exactly one Completion. Closing the stream ends the upstream request."""
