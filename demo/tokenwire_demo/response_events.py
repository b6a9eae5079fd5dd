"""Encodes the objects and the events of OpenAI's responses API."""

from tokenwire_demo.chunks import ErrorPayload, UsageCounts, encode_json
from tokenwire_demo.tools import Call

REASONS = {"length": "max_output_tokens"}
"""The reasons why a response is incomplete, by the finish reasons of chat completions."""
SUCCESSES = ("stop", "tool_calls")


def response_object(
    response_id: str, created: int, model: str, status: str, **fields: object
) -> dict[str, object]:
    """Return a response with the common fields and `fields`."""
    common = {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "store": False,
        "usage": None,
    }
    return common | fields


def ended_response(  # noqa: PLR0913 - the parts of one flat JSON object
    response_id: str,
    created: int,
    model: str,
    *,
    finish_reason: str,
    output: list[dict[str, object]],
    usage: UsageCounts | None,
) -> dict[str, object]:
    """Return a response that ended for a reason."""
    status, fields = _ending(finish_reason)
    counts = response_usage(usage) if usage else None
    return response_object(
        response_id, created, model, status, output=output, usage=counts, **fields
    )


def _ending(finish_reason: str) -> tuple[str, dict[str, object]]:
    """Return the status of a response that ends for a reason, and the fields that explain it."""
    if finish_reason in SUCCESSES:
        return "completed", {}
    reason = REASONS.get(finish_reason, finish_reason)
    return "incomplete", {"incomplete_details": {"reason": reason}}


def response_usage(usage: UsageCounts) -> dict[str, object]:
    """Return the usage object of a response."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }


def message_item(item_id: str, status: str, parts: list[dict[str, object]]) -> dict[str, object]:
    """Return the item of a message."""
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": parts,
    }


def reasoning_item(item_id: str, texts: list[str]) -> dict[str, object]:
    """Return the item of the reasoning, with a summary in parts."""
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"id": item_id, "type": "reasoning", "summary": summary}


def call_item(item_id: str, status: str, call: Call, arguments: str) -> dict[str, object]:
    """Return the item of a function call with these arguments so far."""
    item: dict[str, object] = {"id": item_id, "type": "function_call", "status": status}
    identity = {"call_id": call.id} if call.id else {}
    name = {"name": call.name} if call.name else {}
    return {**item, **identity, **name, "arguments": arguments}


def text_part(kind: str, text: str) -> dict[str, object]:
    """Return a part of a message: an `output_text` or a `refusal`."""
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": []}


def error_fields(error: ErrorPayload) -> dict[str, object]:
    """Return the fields of an event that reports an error."""
    return {"code": error.code or error.type, "message": error.message, "param": error.param}


class ResponseEncoder:
    """Encodes the events of one response, and numbers them."""

    def __init__(self) -> None:
        self._sequence = 0

    def event(self, kind: str, **fields: object) -> bytes:
        """Return an event."""
        before, after = self.around(kind, **fields)
        return before + after

    def delta(self, kind: str, delta: str, **places: object) -> bytes:
        """Return an event with a delta."""
        before, after = self.around(kind, **places)
        return before + b',"delta":' + encode_json(delta) + after

    def around(self, kind: str, **fields: object) -> tuple[bytes, bytes]:
        """Return the bytes of an event before and after further fields."""
        head = encode_json({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + head[:-1], b"}\n\n"
