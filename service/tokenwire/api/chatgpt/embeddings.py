"""`Embed`: the vectors of texts."""

import time
from dataclasses import dataclass
from typing import Final

from google.protobuf.wrappers_pb2 import BytesValue

from tokenwire.api.chatgpt.answers import to_usage
from tokenwire.api.chatgpt.catalog import Catalogs, Defaults, check_allowed
from tokenwire.api.chatgpt.field_limits import FieldCounts
from tokenwire.api.chatgpt.sampling import check_name
from tokenwire.api.endpoint import Endpoint, OnOperation
from tokenwire.core.call_record import CallRecord
from tokenwire.core.embeddings import EmbeddingModel, EmbeddingRequest, Embeddings, check_size
from tokenwire.core.errors import InvalidParameter, UnknownModel, UnsupportedByModel
from tokenwire.core.large_work import next_step
from tokenwire.core.method import EMBEDDINGS, Method, MethodType
from tokenwire.core.prices import Price
from tokenwire.v1 import chatgpt_pb2 as pb

EMBED: Final = Method(
    pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name, "Embed", MethodType.UNARY, EMBEDDINGS
)
MAX_TEXTS: Final = 2_048
"""The most texts of one request, as of OpenAI's API."""
DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
"""OpenTelemetry's attribute of the requested length of vectors."""


@dataclass(frozen=True, slots=True)
class EmbeddingService:
    """Turns texts into vectors.

    Attributes:
        model: Makes the vectors; None if the provider has no embeddings.
        catalog: Returns what the server offers.
        on_upstream_call: Called before each request to the upstream.
    """

    model: EmbeddingModel | None
    catalog: Catalogs
    on_upstream_call: OnOperation

    def endpoint(self) -> Endpoint:
        """Return the entry of the method table."""
        return Endpoint(
            EMBED,
            check=FieldCounts(pb.EmbedRequest.DESCRIPTOR, {"texts": MAX_TEXTS}).check,
            parse=pb.EmbedRequest.FromString,
            handle=self.embed,
            serialize=pb.EmbedResponse.SerializeToString,
        )

    async def embed(self, message: pb.EmbedRequest, call: CallRecord) -> pb.EmbedResponse:
        """Return the vectors of the texts.

        Raises:
            ServiceError: The request is invalid, or the vectors cannot be made.
        """
        if self.model is None:
            description = "embeddings are not supported with this service's provider"
            raise UnsupportedByModel("model", description)
        catalog = self.catalog()
        request = to_embedding_request(message, catalog.defaults_of(call.caller))
        del message
        call.model = request.model
        check_allowed(call.caller, request.model, "model")
        call.price = catalog.prices.get(request.model)
        call.attempts.started = time.monotonic()
        dimensions = {} if request.dimensions is None else {DIMENSIONS: request.dimensions}
        self.on_upstream_call(request.model, call, dimensions)
        embeddings = await self.model.embed(request, call)
        call.counted = embeddings.usage
        call.response_model = embeddings.model
        await next_step()
        return _response(embeddings, call.price)


def to_embedding_request(message: pb.EmbedRequest, defaults: Defaults) -> EmbeddingRequest:
    """Validate `message` and apply `defaults`.

    Raises:
        InvalidParameter: A field is out of range; the error names it.
        UnknownModel: The service does not offer the model.
    """
    texts = tuple(message.texts)
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise InvalidParameter("texts", f"must hold 1 to {MAX_TEXTS} texts")
    if "" in texts:
        raise InvalidParameter(f"texts[{texts.index('')}]", "must not be empty")
    dimensions = message.dimensions if message.HasField("dimensions") else None
    if dimensions is not None:
        if dimensions < 1:
            raise InvalidParameter("dimensions", "must be at least 1")
        check_size(len(texts), dimensions)
    user = message.user
    check_name("user", user)
    model = _model(message.model, defaults)
    fields = {field.name for field, _ in message.ListFields()}
    if model in {defaults.model, defaults.embedding_model, *defaults.models}:
        fields.discard("model")
    return EmbeddingRequest(model, texts, dimensions, user, frozenset(fields))


def _model(name: str, defaults: Defaults) -> str:
    name = defaults.aliases.get(name, name)
    if not name and not defaults.embedding_model:
        description = "must be set, because this service has no default model for embeddings"
        raise InvalidParameter("model", description)
    if not name or name == defaults.embedding_model:
        return defaults.embedding_model
    if defaults.models and name not in {defaults.model, *defaults.models}:
        raise UnknownModel("model")
    check_name("model", name)
    return name


def _response(embeddings: Embeddings, price: Price | None) -> pb.EmbedResponse:
    """Return the message of embeddings.

    Bytes and packed floats are the same on the wire, so no number becomes a Python object.
    """
    return pb.EmbedResponse(
        vectors=[
            pb.Vector.FromString(BytesValue(value=vector).SerializeToString())
            for vector in embeddings.vectors
        ],
        model=embeddings.model,
        usage=None if embeddings.usage is None else to_usage(embeddings.usage, price),
    )
