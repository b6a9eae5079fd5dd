"""Google's Gemini API, whose events have no names and whose last one is not marked."""

import re
from typing import Any

from support.wire import CANARY, KEY, Wire

COUNTS = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


class GoogleWire(Wire):
    """The wire format of the provider `google-genai`."""

    def body(self, *texts: str) -> list[bytes]:
        return [self.parts({"text": each}) for each in texts] if texts else [self.parts()]

    def thought(self, content: str) -> bytes:
        return self.parts({"text": content, "thought": True})

    def end(self) -> bytes:
        return self.stop()

    def error(self) -> bytes:
        return self.framed(self.rejected(CANARY))

    def odd(self) -> bytes:
        return self.parts({"text": {"a": 1}})

    def rejected(self, message: str) -> dict[str, Any]:
        return {"error": {"code": 503, "message": message, "status": "SOME_STATUS"}}

    def raw(self, data: bytes) -> bytes:
        return b"data: " + data + b"\r\n\r\n"

    def model_of(self, head: bytes, body: bytes) -> str:
        del body
        [name] = re.findall(rb"/models/(.+):streamGenerateContent", head)
        return str(name.decode())

    def parts(self, *parts: dict[str, Any], **candidate: Any) -> bytes:
        """Return an event with these parts."""
        content: dict[str, Any] = {"role": "model"}
        if parts:
            content["parts"] = parts
        return self.event(candidates=[{"content": content, "index": 0, **candidate}])

    def event(self, **fields: Any) -> bytes:
        """Return an event with these fields."""
        shared = {"modelVersion": "gemini-1", "responseId": "id-1"}
        return self.framed({**fields, **shared})

    def stop(self, reason: str = "STOP", **counts: Any) -> bytes:
        """Return the last event of an answer."""
        candidate = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": reason}
        return self.event(candidates=[candidate], usageMetadata={**COUNTS, **counts})


GOOGLE = GoogleWire("google-genai", "GOOGLE_GEMINI_BASE_URL", {"GOOGLE_API_KEY": KEY})
