"""Embeddings: the vectors of texts, and the interface of the models that make them."""

from dataclasses import dataclass
from typing import Final, Protocol

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Usage
from tokenwire.core.errors import InvalidParameter

BYTES_PER_NUMBER: Final = 4
MAX_VECTOR_BYTES: Final = 4_000_000
"""The most bytes of all vectors of one request. By default, clients of gRPC reject messages above
4 MiB."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A validated request for embeddings.

    Attributes:
        model: The model's name.
        texts: The texts; none is empty.
        dimensions: The length of the vectors; None for the model's own.
        user: An opaque name of the end user, or empty.
        set_by_caller: The fields that the caller set. A model of the settings does not count.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    user: str = ""
    set_by_caller: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The embeddings of a request.

    Attributes:
        vectors: The vector of each text, in the order of the texts, as little-endian 32-bit
            floats. All have the same length and are finite.
        model: The model, as the upstream names it.
        usage: The usage; None if the upstream reports none.
    """

    vectors: tuple[bytes, ...]
    model: str
    usage: Usage | None


class EmbeddingModel(Protocol):
    """A model that turns texts into vectors, or a wrapper around one."""

    async def embed(self, request: EmbeddingRequest, call: CallRecord) -> Embeddings:
        """Return the embeddings of a request.

        Args:
            request: The request.
            call: The record of the call. The caller has set `attempts.started`.

        Raises:
            ServiceError: The request fails, or its vectors exceed MAX_VECTOR_BYTES.
        """
        ...


def check_size(texts: int, dimensions: int) -> None:
    """Raise InvalidParameter if the vectors of a request exceed MAX_VECTOR_BYTES.

    Args:
        texts: The number of texts.
        dimensions: The length of the vectors.
    """
    fitting = MAX_VECTOR_BYTES // (BYTES_PER_NUMBER * dimensions)
    if not fitting:
        most = MAX_VECTOR_BYTES // BYTES_PER_NUMBER
        raise InvalidParameter("dimensions", f"must be from 1 to {most}")
    if texts > fitting:
        raise InvalidParameter(
            "texts",
            f"must hold at most {fitting} texts, because their vectors have {dimensions} numbers "
            "each; send the texts in several requests",
        )
