"""The types of a conversation, independent of gRPC, LangChain and HTTP."""

from tokenwire.core.domain.answers import (
    AnswerStream,
    Citation,
    Completion,
    Delta,
    FinishReason,
    TokenLogprob,
    TopLogprob,
    Usage,
)
from tokenwire.core.domain.formats import (
    Choices,
    Format,
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
)
from tokenwire.core.domain.requests import (
    ChatRequest,
    Effort,
    Reasoning,
    Sampling,
    ServiceTier,
    Tool,
    ToolChoice,
    ToolMode,
)
from tokenwire.core.domain.turns import (
    Detail,
    Part,
    PartKind,
    Role,
    ToolCall,
    Turn,
)

__all__ = [
    "AnswerStream",
    "ChatRequest",
    "Choices",
    "Citation",
    "Completion",
    "Delta",
    "Detail",
    "Effort",
    "FinishReason",
    "Format",
    "Grammar",
    "JsonObject",
    "JsonSchema",
    "Part",
    "PartKind",
    "Reasoning",
    "Regex",
    "Role",
    "Sampling",
    "ServiceTier",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolMode",
    "TopLogprob",
    "Turn",
    "Usage",
]
