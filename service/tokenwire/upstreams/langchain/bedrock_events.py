"""Reads the events of Bedrock's ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from typing import Any, Final

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Usage
from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.langchain.facts import Facts, name_in
from tokenwire.upstreams.openai.usage import count_of
from tokenwire.upstreams.tool_call_assembler import ToolCallPiece

BLOCK_INDEX: Final = "contentBlockIndex"
SIGNED: Final = {"text": "thinking", "signature": "signature"}
"""The keys of a piece of reasoning, and those of a block of it in a state."""
REDACTED: Final = "redactedContent"
DROPPED: Final = frozenset({"citation", "toolResult"})
"""Pieces without a place in an answer: sources of a text, and results of AWS's own tools."""


def read_event(event: dict[str, Any], facts: Facts, codec: StateCodec) -> dict[str, str]:
    """Record what an event says, and return its text and its reasoning.

    Args:
        event: The event, in an object with its name.
        facts: What the events so far have said.
        codec: Encodes the signed reasoning.

    Returns:
        The keys `text` and `reasoning`, if the event has one of them.

    Raises:
        UpstreamProtocolError: The event has an unknown structure.
    """
    [(name, fields)] = event.items()
    match name:
        case "contentBlockStart":
            _begin(fields, facts)
        case "contentBlockDelta":
            return _extend(fields, facts)
        case "messageStop":
            facts.finish_reason = name_in(fields.get("stopReason"))
            facts.state = facts.thinking.encoded(codec)
        case "metadata":
            facts.usage = _usage(fields.get("usage")) or facts.usage
            # The last event, if the answer has ended.
            facts.ended = bool(facts.finish_reason)
    return {}


def _begin(fields: dict[str, Any], facts: Facts) -> None:
    """Record the begin of a block; only those of tool calls say something."""
    start = fields.get("start")
    if not isinstance(start, dict):
        raise UpstreamProtocolError
    call = start.get("toolUse")
    if call is None:
        return
    name = call.get("name") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(name, str):
        raise UpstreamProtocolError
    call_id = name_in(call.get("toolUseId"))
    facts.pieces.append(ToolCallPiece(_index(fields), call_id, name, ""))


def _extend(fields: dict[str, Any], facts: Facts) -> dict[str, str]:
    """Record a piece of a block, and return its text or its reasoning."""
    delta = fields.get("delta")
    if not isinstance(delta, dict):
        raise UpstreamProtocolError
    if "text" in delta:
        return {"text": _string(delta["text"])}
    if "toolUse" in delta:
        call = delta["toolUse"]
        arguments = _string(call.get("input") if isinstance(call, dict) else None)
        facts.pieces.append(ToolCallPiece(_index(fields), "", "", arguments))
    elif "reasoningContent" in delta:
        return _reason(_index(fields), delta["reasoningContent"], facts)
    elif delta and DROPPED.isdisjoint(delta):
        raise UpstreamProtocolError
    return {}


def _reason(index: int, piece: object, facts: Facts) -> dict[str, str]:
    """Record a piece of reasoning and what the model needs back, and return its text."""
    if not isinstance(piece, dict):
        raise UpstreamProtocolError
    if REDACTED in piece:
        data = _string(piece[REDACTED])
        facts.thinking.add(index, "redacted_thinking", {"data": data})
        return {}
    texts = {key: _string(piece[name]) for name, key in SIGNED.items() if name in piece}
    # A model may sign reasoning that it does not show.
    facts.thinking.add(index, "thinking", {"thinking": "", **texts})
    return {"reasoning": texts["thinking"]} if "thinking" in texts else {}


def _index(fields: dict[str, Any]) -> int:
    index = count_of(fields.get(BLOCK_INDEX))
    if index is None:
        raise UpstreamProtocolError
    return index


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise UpstreamProtocolError
    return value


def _usage(counts: object) -> Usage | None:
    """Return the usage in the counts of an answer, or None if they are not complete."""
    if not isinstance(counts, dict):
        return None
    inputs, outputs = count_of(counts.get("inputTokens")), count_of(counts.get("outputTokens"))
    if inputs is None or outputs is None:
        return None
    cached = count_of(counts.get("cacheReadInputTokens")) or 0
    written = count_of(counts.get("cacheWriteInputTokens")) or 0
    return Usage(
        # Bedrock counts cached tokens beside the input.
        input_tokens=inputs + cached + written,
        output_tokens=outputs,
        cached_input_tokens=cached,
        cache_write_input_tokens=written,
    )
