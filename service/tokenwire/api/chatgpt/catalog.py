"""The models that a server offers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tokenwire.core.caller import Caller
from tokenwire.core.callers import Callers
from tokenwire.core.errors import ModelNotAllowed
from tokenwire.core.prices import Price
from tokenwire.v1 import chatgpt_pb2 as pb


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values that apply where a request does not set a field.

    Attributes:
        model: The model's name.
        temperature: The temperature, or None for the upstream's own.
        system: The system prompt, or empty for none.
        models: The models that a request may name in addition to the defaults; empty allows any.
        embedding_model: The model for embeddings, or empty for none.
        aliases: Other names of models, each with the model's own name.
    """

    model: str
    temperature: float | None = None
    system: str = ""
    models: frozenset[str] = frozenset()
    embedding_model: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_names(self) -> set[str]:
        """The names of the models, without aliases."""
        return {self.model, *self.models, self.embedding_model} - {""}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model besides its name.

    Attributes:
        description: What it is for, for people; may be empty.
        abilities: What it can do; empty if unknown.
        context_tokens: The most tokens of the prompt and the answer; 0 if unknown.
        max_output_tokens: The most tokens of an answer; 0 if unknown.
        serving: Returns whether it is served now.
    """

    description: str = ""
    abilities: "Sequence[pb.Ability.ValueType]" = ()
    context_tokens: int = 0
    max_output_tokens: int = 0
    serving: Callable[[], bool] = lambda: True


NO_FACTS: Final = ModelFacts()


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a server offers until its gateway file changes.

    Attributes:
        defaults: The models that a request may name, and the values of fields that it omits.
        prices: The known prices of the models' tokens, by model.
        facts: What is known of the models, by name.
        by_caller: The defaults of callers who may not use all models, by their names.
        callers: Who may call; None for everyone.
    """

    defaults: Defaults
    prices: Mapping[str, Price] = field(default_factory=dict)
    facts: Mapping[str, ModelFacts] = field(default_factory=dict)
    by_caller: Mapping[str, Defaults] = field(default_factory=dict)
    callers: Callers | None = None

    def defaults_of(self, caller: Caller | None) -> Defaults:
        """Return the defaults of a call."""
        return self.by_caller.get(caller.name, self.defaults) if caller else self.defaults


def check_allowed(caller: Caller | None, model: str, field: str) -> None:
    """Check that a caller may use a model.

    Args:
        caller: The caller; None if everyone may use everything.
        model: The model, not an alias of it.
        field: The path of the field with the model.

    Raises:
        ModelNotAllowed: It may not.
    """
    if caller and not caller.may_use(model):
        raise ModelNotAllowed(field)


Catalogs: TypeAlias = Callable[[], Catalog]
"""Returns the current catalog; a call keeps the one with which it begins."""
