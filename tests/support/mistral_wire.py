"""Mistral's chat completions."""

from typing import Any

from support.wire import CANARY, KEY, Wire

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class MistralWire(Wire):
    """The wire format of the provider `mistralai`."""

    def body(self, *texts: str) -> list[bytes]:
        return [self.chunk(role="assistant", content=""), *(self.chunk(content=t) for t in texts)]

    def thought(self, content: str) -> bytes:
        return self.chunk(content=[thinking(content)])

    def end(self) -> bytes:
        return self.stop()

    def error(self) -> bytes:
        return self.framed(self.rejected(CANARY))

    def odd(self) -> bytes:
        return self.chunk(content={"a": 1})

    def rejected(self, message: str) -> dict[str, Any]:
        return {
            "object": "error",
            "message": message,
            "type": "some_error",
            "param": None,
            "code": "1000",
        }

    def chunk(self, finish_reason: str | None = None, **delta: Any) -> bytes:
        """Return a chunk with this delta."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self.framed({**HEAD, "choices": [choice]})

    def stop(self, reason: str = "stop", **usage: Any) -> bytes:
        """Return the events that end an answer."""
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": reason}
        return self.framed({**HEAD, "choices": [choice], "usage": {**USAGE, **usage}}) + DONE


HEAD = {
    "id": "cmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_760_000_000,
    "model": "mistral-1",
}


def thinking(*texts: str) -> dict[str, Any]:
    """Return a part of a content with reasoning."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": each} for each in texts]}


MISTRAL = MistralWire("mistralai", "MISTRAL_BASE_URL", {"MISTRAL_API_KEY": KEY})
