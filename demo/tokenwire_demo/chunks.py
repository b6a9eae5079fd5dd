"""Encodes OpenAI's JSON objects and server-sent events."""

import json
from dataclasses import asdict, dataclass
from typing import Any

FINGERPRINT = "tokenwire-demo-simulator"
DONE = b"data: [DONE]\n\n"

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_escaped = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class UsageCounts:
    """The token counts of one answer."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return OpenAI's usage object."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


@dataclass(frozen=True, slots=True)
class ErrorPayload:
    """OpenAI's error object."""

    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object under the key `error`, as in a response."""
        return {"error": asdict(self)}


def encode_json(value: object) -> bytes:
    """Encode as UTF-8 without whitespace. Lone surrogates are escaped, because UTF-8 lacks them."""
    try:
        return _compact(value).encode("utf-8")
    except UnicodeEncodeError:
        return _escaped(value).encode("ascii")


def event(payload: bytes) -> bytes:
    """Return a server-sent event for a payload without line breaks."""
    return b"data: " + payload + b"\n\n"


class ChunkEncoder:
    """Encodes the chunks of one streamed answer.

    The constant part of the chunks is encoded once, because a load test encodes many thousands
    of chunks per second.

    Args:
        completion_id: The id of the answer.
        created: The time of creation, in seconds since the epoch.
        model: The model's name.
        include_usage: Whether each chunk contains `"usage": null`, as OpenAI's chunks do if the
            client requests usage.
    """

    def __init__(
        self, completion_id: str, created: int, model: str, *, include_usage: bool
    ) -> None:
        head = {
            "id": completion_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "system_fingerprint": FINGERPRINT,
        }
        self._head = encode_json(head)[:-1]
        self._tail = b',"usage":null}' if include_usage else b"}"
        self._before_delta = b"data: " + self._head + b',"choices":[{"index":0,"delta":'
        self._after_delta = b',"logprobs":null,"finish_reason":null}]' + self._tail + b"\n\n"
        self._before_text = self._before_delta + b'{"content":'
        self._after_text = b"}" + self._after_delta

    def text(self, text: str) -> bytes:
        """Return an event with a delta of text."""
        return self._before_text + encode_json(text) + self._after_text

    def delta(self, delta: object) -> bytes:
        """Return an event with a delta."""
        return self._before_delta + encode_json(delta) + self._after_delta

    def around_text(self) -> tuple[bytes, bytes]:
        """Return the bytes before and after the text of a delta, for text of any size."""
        return self._before_text + b'"', b'"' + self._after_text

    def finish(self, reason: str) -> bytes:
        """Return an event with a finish reason."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}
        return self.chunk(choices=[choice])

    def usage(self, usage: UsageCounts) -> bytes:
        """Return an event with usage and without choices."""
        return self.chunk(choices=[], usage=usage.as_json())

    def chunk(self, **fields: object) -> bytes:
        """Return an event with the common fields and `fields`."""
        tail = b"}" if "usage" in fields else self._tail
        return event(self._head + b"," + encode_json(fields)[1:-1] + tail)


def completion(  # noqa: PLR0913 - the parts of one flat JSON object
    completion_id: str,
    created: int,
    model: str,
    *,
    message: dict[str, object],
    finish_reason: str | None,
    usage: UsageCounts | None,
) -> dict[str, object]:
    """Return the response to a request that does not stream."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "system_fingerprint": FINGERPRINT,
        "choices": [choice],
        "usage": usage.as_json() if usage else None,
    }
