"""The reasoning that a request asks for, in the forms of OpenAI, OpenRouter, DeepSeek and vLLM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenwire_demo.request_error import RequestError

HIDDEN: Final = "hidden"
"""The field of reasoning that is counted but not sent."""

_EFFORTS: Final = {
    effort: sentences
    for sentences, effort in enumerate(("none", "minimal", "low", "medium", "high", "xhigh", "max"))
}
_SENTENCES: Final = (
    "A simulator does not reason; this text only stands for reasoning.",
    "The prompt has {words} words.",
    "Its first word is {first!r}.",
    "Its last word is {last!r}.",
    "Nothing follows from that.",
    "More effort only makes this text longer.",
)
_MAX_WORD_LENGTH: Final = 40


@dataclass(frozen=True, slots=True)
class RequestedReasoning:
    """How much reasoning an answer has, and where.

    Attributes:
        sentences: The number of sentences.
        field: The field of a message that has it, or `HIDDEN`.
        max_tokens: The most tokens, or None.
    """

    sentences: int = 0
    field: str = "reasoning_content"
    max_tokens: int | None = None

    def text(self, prompt: str) -> str:
        """Return the reasoning about a prompt."""
        if not self.sentences:
            return ""
        words = prompt.split() or [""]
        values = {
            "words": len(words) if words[0] else 0,
            "first": words[0][:_MAX_WORD_LENGTH],
            "last": words[-1][:_MAX_WORD_LENGTH],
        }
        return " ".join(each.format(**values) for each in _SENTENCES[: self.sentences])


NO_REASONING: Final = RequestedReasoning()


def parse_chat_reasoning(body: Mapping[str, Any]) -> RequestedReasoning:
    """Return the reasoning that a request for a chat completion asks for.

    Raises:
        RequestError: A parameter is malformed.
    """
    options = body.get("reasoning")
    if options is not None:
        given = _options(options)
        is_on = given.get("enabled", True) is not False
        field = HIDDEN if given.get("exclude") is True else "reasoning"
        most = _max_tokens(given.get("max_tokens"), "reasoning.max_tokens")
        return RequestedReasoning(
            _effort(given.get("effort"), "reasoning.effort") if is_on else 0, field, most
        )
    match body:
        case {"reasoning_effort": effort} if effort is not None:
            return RequestedReasoning(_effort(effort, "reasoning_effort"))
        case {"thinking": {"type": "enabled", **rest}}:
            most = _max_tokens(rest.get("budget_tokens"), "thinking.budget_tokens")
            return RequestedReasoning(_EFFORTS["medium"], max_tokens=most)
        case {"chat_template_kwargs": {"enable_thinking": True}}:
            return RequestedReasoning(_EFFORTS["medium"])
    return NO_REASONING


def parse_response_reasoning(body: Mapping[str, Any]) -> RequestedReasoning:
    """Return the reasoning that a request for a response asks for; it shows only a summary.

    Raises:
        RequestError: The parameter is malformed.
    """
    options = body.get("reasoning")
    if options is None:
        return NO_REASONING
    given = _options(options)
    field = HIDDEN if given.get("summary") is None else "reasoning_content"
    return RequestedReasoning(_effort(given.get("effort"), "reasoning.effort"), field)


def _options(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError("reasoning must be an object", "reasoning")
    return value


def _effort(value: Any, param: str) -> int:
    if value is None:
        return _EFFORTS["medium"]
    if not isinstance(value, str) or value not in _EFFORTS:
        raise RequestError(f"{param} must be one of {', '.join(_EFFORTS)}", param)
    return _EFFORTS[value]


def _max_tokens(value: Any, param: str) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise RequestError(f"{param} must be a whole number of at least 0", param)
    return value
