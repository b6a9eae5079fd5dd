"""Embeddings of the demo model: vectors that depend on the text alone."""

import base64
import hashlib
import struct
from dataclasses import dataclass
from typing import Any

from tokenwire_demo.answer import Token, count_tokens
from tokenwire_demo.request import CompletionRequest, clean, find_plan
from tokenwire_demo.request_error import RequestError
from tokenwire_demo.single_json import SingleJson

DIMENSIONS = 8
"""The length of a vector unless the request sets `dimensions`."""
_MAX_DIMENSIONS = 4_096


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest(CompletionRequest):
    """The used fields of a request for embeddings."""

    dimensions: int = DIMENSIONS
    base64: bool = False


def parse_embeddings_request(body: object) -> EmbeddingsRequest:
    """Return the request in a decoded JSON body.

    Raises:
        RequestError: A field is missing or invalid.
    """
    if not isinstance(body, dict):
        raise RequestError("the request body must be a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError(f"model must be a non-empty string, got {model!r}")
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if not isinstance(texts, list) or not texts or not all(_is_text(text) for text in texts):
        raise RequestError("input must be a non-empty string or a list of them")
    return EmbeddingsRequest(
        model=clean(model),
        texts=tuple(map(clean, texts)),
        prompt="",
        data=(),
        plan=find_plan(texts[-1]),
        system=None,
        earlier_turns=0,
        stream=False,
        include_usage=True,
        max_tokens=None,
        stop=(),
        dimensions=_dimensions(body.get("dimensions")),
        base64=body.get("encoding_format") == "base64",
    )


def _is_text(text: Any) -> bool:
    return isinstance(text, str) and bool(text)


def _dimensions(value: Any) -> int:
    if value is None:
        return DIMENSIONS
    if not isinstance(value, int) or not 1 <= value <= _MAX_DIMENSIONS:
        raise RequestError(f"dimensions must be from 1 to {_MAX_DIMENSIONS}, got {value!r}")
    return value


def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """Return the vector of a text: 32-bit floats from -1 to 1. Equal texts have equal vectors."""
    data = hashlib.shake_128(text.encode()).digest(2 * dimensions)
    return tuple(number / 32_768 for number in struct.unpack(f"<{dimensions}h", data))


class EmbeddingList(SingleJson):
    """The vectors of a request's texts. The steps of a regular answer send no text."""

    def next_tokens(self, count: int | None = None) -> tuple[Token, ...]:
        """Return no tokens of an answer."""
        del count
        return ()

    def _object(self) -> dict[str, object]:
        request = self.request
        assert isinstance(request, EmbeddingsRequest)  # noqa: S101 - parsed so for this path
        tokens = count_tokens(request.texts)
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _encoded(text, request)}
                for index, text in enumerate(request.texts)
            ],
            "model": request.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _encoded(text: str, request: EmbeddingsRequest) -> str | list[float]:
    numbers = vector(text, request.dimensions)
    if not request.base64:
        return list(numbers)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
