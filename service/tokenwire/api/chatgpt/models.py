"""`ListModels`: the models that a request may name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tokenwire.api.chatgpt.catalog import NO_FACTS, Catalogs, Defaults
from tokenwire.api.chatgpt.field_limits import FieldCounts
from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import Method, MethodType
from tokenwire.core.prices import Price
from tokenwire.v1 import chatgpt_pb2 as pb

LIST_MODELS: Final = Method(
    pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name, "ListModels", MethodType.UNARY
)


@dataclass(frozen=True, slots=True)
class ModelList:
    """Lists the models of the catalog. The upstream is not asked.

    Attributes:
        catalog: Returns what the server offers.
        serving: Returns whether the health service reports SERVING.
    """

    catalog: Catalogs
    serving: Callable[[], bool]

    def endpoint(self) -> Endpoint:
        """Return the entry of the method table."""
        return Endpoint(
            LIST_MODELS,
            check=FieldCounts(pb.ListModelsRequest.DESCRIPTOR).check,
            parse=pb.ListModelsRequest.FromString,
            handle=self.list_models,
            serialize=pb.ListModelsResponse.SerializeToString,
        )

    async def list_models(
        self, request: pb.ListModelsRequest, call: CallRecord
    ) -> pb.ListModelsResponse:
        """Return the models that the caller may use, in ascending order of their names."""
        del request
        catalog = self.catalog()
        defaults, prices = catalog.defaults_of(call.caller), catalog.prices
        serving = self.serving()
        models = []
        for name in sorted({*defaults.model_names, *defaults.aliases}):
            own = defaults.aliases.get(name, name)
            if call.caller and not call.caller.may_use(own):
                continue
            facts = catalog.facts.get(own, NO_FACTS)
            models.append(
                pb.Model(
                    name=name,
                    description=facts.description,
                    abilities=sorted({*facts.abilities, *_abilities(own, defaults)}),
                    context_tokens=facts.context_tokens,
                    max_output_tokens=facts.max_output_tokens,
                    price=_price(prices[own]) if own in prices else None,
                    serving=serving and facts.serving(),
                )
            )
        return pb.ListModelsResponse(
            models=models,
            default_model=defaults.model,
            default_embedding_model=defaults.embedding_model,
            any_model=not defaults.models,
        )


def _abilities(name: str, defaults: Defaults) -> "list[pb.Ability.ValueType]":
    """Return the abilities that follow from the settings."""
    abilities = [pb.ABILITY_CHAT] if name == defaults.model else []
    return abilities + [pb.ABILITY_EMBEDDINGS] * (name == defaults.embedding_model)


def _price(price: Price) -> pb.Price:
    return pb.Price(input=price.input, output=price.output, cached_input=price.cached_input)
