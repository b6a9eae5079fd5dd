"""`ListLanguageModels` and `GetLanguageModel`: the models that answer messages."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.empty_pb2 import Empty

from tokenwire.api.chatgpt.catalog import NO_FACTS, Catalog, Catalogs, Defaults
from tokenwire.api.chatgpt.field_limits import FieldCounts
from tokenwire.api.chatgpt.sampling import check_name
from tokenwire.api.endpoint import Endpoint
from tokenwire.api.xai.unserved import served
from tokenwire.core.call_record import CallRecord
from tokenwire.core.caller import Caller
from tokenwire.core.errors import ModelNotAllowed, UnknownModel
from tokenwire.core.method import Method, MethodType
from tokenwire.core.prices import Price
from tokenwire.v1 import chatgpt_pb2
from tokenwire.xai.v1 import xai_pb2 as pb

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Models"].full_name
LIST: Final = Method(SERVICE, "ListLanguageModels", MethodType.UNARY)
GET: Final = Method(SERVICE, "GetLanguageModel", MethodType.UNARY)
PRICE_UNITS_PER_DOLLAR: Final = 10_000
"""Prices are in hundredths of a US cent for a million tokens."""
MAX_LENGTH: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class LanguageModels:
    """Describes the models of the catalog. The upstream is not asked.

    Attributes:
        catalog: Returns what the server offers.
    """

    catalog: Catalogs

    def endpoints(self) -> list[Endpoint]:
        """Return the entries of the method table."""
        return [
            Endpoint(
                LIST,
                check=FieldCounts(Empty.DESCRIPTOR).check,
                parse=Empty.FromString,
                handle=self.list_models,
                serialize=pb.ListLanguageModelsResponse.SerializeToString,
            ),
            Endpoint(
                GET,
                check=FieldCounts(pb.GetModelRequest.DESCRIPTOR).check,
                parse=served(pb.GetModelRequest),
                handle=self.get_model,
                serialize=pb.LanguageModel.SerializeToString,
            ),
        ]

    async def list_models(self, request: Empty, call: CallRecord) -> pb.ListLanguageModelsResponse:
        """Return the models that the caller may use, in ascending order of their names."""
        del request
        catalog = self.catalog()
        defaults = catalog.defaults_of(call.caller)
        names = sorted(name for name in defaults.model_names if _may_use(call.caller, name))
        return pb.ListLanguageModelsResponse(
            models=[_model(name, catalog) for name in names if _answers(name, catalog, defaults)]
        )

    async def get_model(self, request: pb.GetModelRequest, call: CallRecord) -> pb.LanguageModel:
        """Return a model by its name or an alias of it.

        Raises:
            InvalidParameter: The name is too long or not printable.
            UnknownModel: A request may not name it.
            ModelNotAllowed: The caller may not use it.
        """
        check_name("name", request.name)
        catalog = self.catalog()
        defaults = catalog.defaults_of(call.caller)
        name = defaults.aliases.get(request.name, request.name)
        known = name in defaults.model_names and _answers(name, catalog, defaults)
        if not (known or (name and not defaults.models and name != defaults.embedding_model)):
            raise UnknownModel("name")
        if not _may_use(call.caller, name):
            raise ModelNotAllowed("name")
        return _model(name, catalog)


def _may_use(caller: Caller | None, name: str) -> bool:
    return caller is None or caller.may_use(name)


def _answers(name: str, catalog: Catalog, defaults: Defaults) -> bool:
    """Report whether a model answers messages, as far as the service knows."""
    if name == defaults.model:
        return True
    abilities = catalog.facts.get(name, NO_FACTS).abilities
    makes_vectors = name == defaults.embedding_model or chatgpt_pb2.ABILITY_EMBEDDINGS in abilities
    return chatgpt_pb2.ABILITY_CHAT in abilities or not makes_vectors


def _model(name: str, catalog: Catalog) -> pb.LanguageModel:
    facts = catalog.facts.get(name, NO_FACTS)
    model = pb.LanguageModel(
        name=name,
        aliases=sorted(alias for alias, own in catalog.defaults.aliases.items() if own == name),
        input_modalities=[pb.TEXT],
        output_modalities=[pb.TEXT],
        max_prompt_length=min(facts.context_tokens, MAX_LENGTH),
    )
    if chatgpt_pb2.ABILITY_IMAGES in facts.abilities:
        model.input_modalities.append(pb.IMAGE)
    if price := catalog.prices.get(name):
        _add_price(price, model)
    return model


def _add_price(price: Price, model: pb.LanguageModel) -> None:
    model.prompt_text_token_price = round(price.input * PRICE_UNITS_PER_DOLLAR)
    model.completion_text_token_price = round(price.output * PRICE_UNITS_PER_DOLLAR)
    model.cached_prompt_token_price = round(price.cached_input * PRICE_UNITS_PER_DOLLAR)
