"""Ollama's chat API."""

import json
from typing import Any

from support.wire import CANARY, Wire

DONE: dict[str, Any] = {
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 2,
}


class OllamaWire(Wire):
    """The wire format of the provider `ollama`."""

    def body(self, *texts: str) -> list[bytes]:
        return [line(message={"role": "assistant", "content": each}) for each in texts]

    def thought(self, content: str) -> bytes:
        return line(message={"role": "assistant", "content": "", "thinking": content})

    def end(self) -> bytes:
        return line(**DONE)

    def error(self) -> bytes:
        return line(error=CANARY)

    def odd(self) -> bytes:
        return line(message={"role": "assistant", "content": {"a": 1}})

    def rejected(self, message: str) -> dict[str, Any]:
        return {"error": message}

    def raw(self, data: bytes) -> bytes:
        return data + b"\n"


def line(**fields: Any) -> bytes:
    """Return a line of Ollama's API."""
    shared = {"model": "llama", "created_at": "2026-01-01T00:00:00.0Z", "done": False}
    return json.dumps(shared | fields, ensure_ascii=False).encode() + b"\n"


OLLAMA = OllamaWire("ollama", "OLLAMA_HOST", {}, "application/x-ndjson")
