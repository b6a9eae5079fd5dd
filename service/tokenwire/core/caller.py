"""A caller of the gateway file."""

from dataclasses import dataclass

from tokenwire.core.limits import CallerLimits


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the gateway file.

    Attributes:
        name: The name in the file.
        models: The models that it may use, in the order of the file; None for all.
        limits: How much it may use; None for any amount.
        low_priority: Whether its calls wait for those of others while slots are short.
    """

    name: str
    models: tuple[str, ...] | None = None
    limits: CallerLimits | None = None
    low_priority: bool = False

    def may_use(self, model: str) -> bool:
        """Report whether it may use a model."""
        return self.models is None or model in self.models
