"""Reads the events of Gemini's answers: https://ai.google.dev/api/generate-content."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Usage
from tokenwire.core.errors import PromptRejected, UpstreamProtocolError
from tokenwire.upstreams.langchain.facts import Facts, name_in
from tokenwire.upstreams.langchain.google_contents import SIGNATURE, call_state
from tokenwire.upstreams.openai.usage import read_count
from tokenwire.upstreams.tool_call_assembler import ToolCallPiece

UNSPECIFIED: Final = ("FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED")
"""The words for no reason."""
KNOWN_KEYS: Final = frozenset({"text", "thought", SIGNATURE, "functionCall"})


@dataclass(slots=True)
class _Texts:
    """The texts of an event."""

    reasoning: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def read_event(event: dict[str, Any], facts: Facts, codec: StateCodec) -> list[dict[str, Any]]:
    """Record what an event says, and return its texts as parts in Gemini's form.

    Args:
        event: The event.
        facts: What the events so far have said.
        codec: Encodes the signatures.

    Raises:
        PromptRejected: The prompt is blocked.
        UpstreamProtocolError: The event has an unknown structure.
    """
    facts.id = name_in(event.get("responseId")) or facts.id
    facts.model = name_in(event.get("modelVersion")) or facts.model
    facts.usage = _usage(event.get("usageMetadata"), facts.usage)
    candidates = event.get("candidates")
    if not candidates:
        _check_feedback(event.get("promptFeedback"))
        return []
    candidate = candidates[0] if isinstance(candidates, list) else None
    if not isinstance(candidate, dict):
        raise UpstreamProtocolError
    facts.finish_reason = _reason(candidate.get("finishReason")) or facts.finish_reason
    content = candidate.get("content") or {}
    parts = content.get("parts") or [] if isinstance(content, dict) else None
    if not isinstance(parts, list):
        raise UpstreamProtocolError
    texts = _Texts()
    for part in parts:
        _read_part(part, texts, facts, codec)
    found: list[dict[str, Any]] = []
    if texts.reasoning:
        found.append({"text": "".join(texts.reasoning), "thought": True})
    return [*found, {"text": "".join(texts.text)}]


def _read_part(part: object, texts: _Texts, facts: Facts, codec: StateCodec) -> None:
    if not isinstance(part, dict) or (part and KNOWN_KEYS.isdisjoint(part)):
        raise UpstreamProtocolError
    signature = name_in(part.get(SIGNATURE))
    call = part.get("functionCall")
    if call is not None:
        facts.pieces.append(_call(call, signature, codec))
        return
    text = part.get("text")
    if not isinstance(text, str | None):
        raise UpstreamProtocolError
    if text:
        (texts.reasoning if part.get("thought") is True else texts.text).append(text)
    if signature:
        facts.state = codec.encode({SIGNATURE: signature})


def _call(call: object, signature: str, codec: StateCodec) -> ToolCallPiece:
    """Return a tool call, which comes whole."""
    name = call.get("name") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(name, str):
        raise UpstreamProtocolError
    call_id, arguments = name_in(call.get("id")), call.get("args")
    encoded = "{}" if arguments is None else msgspec.json.encode(arguments).decode()
    return ToolCallPiece(None, call_id, name, encoded, call_state(codec, signature, call_id))


def _reason(value: object) -> str:
    name = name_in(value)
    return "" if name in UNSPECIFIED else name


def _check_feedback(feedback: object) -> None:
    """Raise PromptRejected if the feedback on the prompt says that it is blocked."""
    if isinstance(feedback, dict) and _reason(feedback.get("blockReason")):
        raise PromptRejected


def _usage(counts: object, known: Usage | None) -> Usage | None:
    """Return the usage so far. The counts in an event include those before it."""
    inputs = read_count(counts, "promptTokenCount") if isinstance(counts, dict) else None
    if not isinstance(counts, dict) or inputs is None:
        return known
    text = read_count(counts, "candidatesTokenCount")
    thoughts = read_count(counts, "thoughtsTokenCount")
    if text is None and thoughts is None and known:
        return known
    cached = read_count(counts, "cachedContentTokenCount") or 0
    return Usage(
        # The results of Google's own tools are counted beside the prompt.
        input_tokens=inputs + (read_count(counts, "toolUsePromptTokenCount") or 0),
        output_tokens=(text or 0) + (thoughts or 0),
        cached_input_tokens=min(cached, inputs),
        reasoning_tokens=thoughts or 0,
    )
