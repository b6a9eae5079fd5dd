"""The method of Vertex AI's API, which answers with chunks or with one completion."""

from functools import partial
from typing import Any, Final

from google.api import httpbody_pb2

from protocols.drivers.base import IMAGE_URL, ProtocolMethod, Role, Wanted
from support.aiplatform import decoded, with_body
from support.world import SYSTEM

FIELDS: Final = {
    "content": "messages[1].content",
    "model": "model",
    "temperature": "temperature",
    "stops": "stop",
    "turns": "messages",
    "tools": "tools",
    "image": "messages[1].content",
}


def request(wanted: Wanted, *, stream: bool) -> bytes:
    """Return a ChatCompletionsRequest."""
    last: Any = wanted.content
    if wanted.image:
        picture = {"type": "image_url", "image_url": {"url": IMAGE_URL}}
        last = [{"type": "text", "text": last}, picture]
    contents = ["x"] * wanted.turns + [last]
    body: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": SYSTEM},
            *({"role": "user", "content": content} for content in contents),
        ],
        "stream": stream,
    }
    if wanted.model:
        body["model"] = wanted.model
    if wanted.temperature is not None:
        body["temperature"] = wanted.temperature
    if wanted.stops:
        body["stop"] = ["x"] * wanted.stops
    if wanted.tools:
        names = [f"tool-{number}" for number in range(wanted.tools)]
        body["tools"] = [{"type": "function", "function": {"name": name}} for name in names]
    return with_body(body).SerializeToString()


def choices(message: bytes) -> list[Any]:
    """Return the choices in a message of an answer."""
    found: list[Any] = decoded(httpbody_pb2.HttpBody.FromString(message))["choices"]
    return found


def text_of(message: bytes) -> str:
    """Return the text in a message of an answer, or its refusal."""
    parts = [choice.get("delta") or choice.get("message") for choice in choices(message)]
    return "".join(part.get("content") or part.get("refusal") or "" for part in parts if part)


def finish_of(message: bytes) -> str:
    """Return the finish reason in a message of an answer."""
    return "".join((choice["finish_reason"] or "").upper() for choice in choices(message))


def method(*, stream: bool) -> ProtocolMethod:
    """Return the method with bodies that ask for a stream, or that do not."""
    return ProtocolMethod(
        "google.cloud.aiplatform.v1beta1.PredictionService",
        "ChatCompletions",
        Role.ANSWER,
        partial(request, stream=stream),
        text_of,
        finish_of,
        fields=FIELDS,
        streams=stream,
        variant="" if stream else "-whole",
    )


METHODS: Final = (method(stream=True), method(stream=False))
