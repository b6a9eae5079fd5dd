"""Asks an OpenAI-compatible upstream for embeddings."""

from typing import Any, Final

from tokenwire.core.call_record import CallRecord
from tokenwire.core.embeddings import BYTES_PER_NUMBER, EmbeddingRequest, Embeddings
from tokenwire.core.errors import (
    InvalidParameter,
    UpstreamProtocolError,
    UpstreamRejectedRequest,
)
from tokenwire.upstreams.http.value_cutter import ValueCutter
from tokenwire.upstreams.openai.json_request import MAX_REST_BYTES, JsonRequests
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.openai.usage import input_usage
from tokenwire.upstreams.openai.vectors import MAX_VECTOR_TEXT_BYTES, Vectors

ENCODING_FORMAT: Final = "encoding_format"
ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
"""OpenTelemetry's attribute of the encodings of vectors that the upstream was asked for."""


class OpenAIEmbeddings:
    """Asks for vectors in base64, which is a quarter of the size of decimal numbers.

    An upstream that ignores this sends decimal numbers, which are accepted too. One that rejects
    it is asked again without, and remembered.

    Args:
        upstream: The upstream.
        requests: Sends the requests.
    """

    def __init__(self, upstream: Upstream, requests: JsonRequests) -> None:
        self._upstream = upstream
        self._requests = requests
        self._takes_base64 = True

    async def embed(self, request: EmbeddingRequest, call: CallRecord) -> Embeddings:
        """Return the embeddings; see `embeddings.EmbeddingModel`."""
        if self._takes_base64:
            try:
                return await self._ask(request, call, {ENCODING_FORMAT: "base64"})
            except UpstreamRejectedRequest as error:
                if ENCODING_FORMAT not in error.fields:
                    raise
                self._takes_base64 = False
        return await self._ask(request, call, {})

    async def _ask(
        self, request: EmbeddingRequest, call: CallRecord, encoding: dict[str, str]
    ) -> Embeddings:
        payload: dict[str, Any] = {"model": request.model, "input": list(request.texts)}
        payload.update(encoding)
        if call.attempts.span:
            formats = (encoding.get(ENCODING_FORMAT, "float"),)
            call.attempts.span.set_attribute(ENCODING_FORMATS, formats)
        if request.dimensions is not None:
            payload["dimensions"] = request.dimensions
        if request.user:
            payload["user"] = request.user
        vectors = Vectors(len(request.texts))
        cutter = ValueCutter(
            "embedding",
            vectors.add,
            max_value_bytes=MAX_VECTOR_TEXT_BYTES,
            max_rest_bytes=MAX_REST_BYTES,
        )
        response = await self._requests.post(self._upstream.embeddings_url, payload, call, cutter)
        placeholders = [cutter.placeholder(number) for number in range(cutter.count)]
        ordered = _ordered(vectors.packed, placeholders, response.get("data"))
        if len(ordered) != len(request.texts):
            raise UpstreamProtocolError
        dimensions = len(ordered[0]) // BYTES_PER_NUMBER
        if request.dimensions not in (None, dimensions):
            # Some models ignore the parameter.
            raise InvalidParameter(
                "dimensions", f"the model returns vectors of {dimensions} numbers"
            )
        model = response.get("model")
        return Embeddings(
            ordered, model if isinstance(model, str) else "", input_usage(response.get("usage"))
        )


def _ordered(vectors: list[bytes], placeholders: list[str], data: object) -> tuple[bytes, ...]:
    """Return the vectors in the order of the texts, or of arrival if no item has an index.

    Args:
        vectors: The vectors in the order of arrival.
        placeholders: What stands in their place.
        data: The items of the response.

    Raises:
        UpstreamProtocolError: An item has no vector, or the indexes are not those of the texts.
    """
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise UpstreamProtocolError
    if [item.get("embedding") for item in data] != placeholders:
        raise UpstreamProtocolError
    indexes = [item.get("index") for item in data]
    if all(index is None for index in indexes):
        return tuple(vectors)
    by_index = {
        index: vector for index, vector in zip(indexes, vectors, strict=True) if type(index) is int
    }
    if by_index.keys() != set(range(len(vectors))):
        raise UpstreamProtocolError
    return tuple(by_index[index] for index in range(len(vectors)))
