"""Chooses among the routes of a model: tier by tier, and within a tier by weight."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """A choice and its share among the choices of its tier, by weight."""

    item: T
    weight: float = 1.0


class Tier(Generic[T]):
    """Choices that share the load.

    With equal weights, the choice with the least load is taken, and those with the same load in
    turn. Otherwise the choices are taken in the proportion of their weights, by the smooth weighted
    round robin of nginx: each gains its weight in each turn, and the one that has the most is taken
    and pays for all. https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35

    Args:
        choices: The choices, at least one.
        load: Returns the load of a choice.
    """

    def __init__(self, choices: Sequence[Weighted[T]], load: Callable[[T], float]) -> None:
        self._choices = choices
        self._load = load
        self._equal = len({choice.weight for choice in choices}) == 1
        self._gains = [0.0] * len(choices)
        self._last = len(choices) - 1

    def pick(self, allowed: Callable[[T], bool]) -> T | None:
        """Return the choice whose turn it is among those that are allowed; None if none is."""
        if len(self._choices) == 1:
            [only] = self._choices
            return only.item if allowed(only.item) else None
        indices = [n for n, choice in enumerate(self._choices) if allowed(choice.item)]
        if not indices:
            return None
        index = self._least_loaded(indices) if self._equal else self._by_weight(indices)
        return self._choices[index].item

    def _least_loaded(self, indices: Sequence[int]) -> int:
        size, last = len(self._choices), self._last
        # Those after the last one come first, so that equals take turns.
        in_turn = sorted(indices, key=lambda index: (index - last - 1) % size)
        self._last = min(in_turn, key=lambda index: self._load(self._choices[index].item))
        return self._last

    def _by_weight(self, indices: Sequence[int]) -> int:
        gains = self._gains
        for index in indices:
            gains[index] += self._choices[index].weight
        found = max(indices, key=gains.__getitem__)
        gains[found] -= sum(self._choices[index].weight for index in indices)
        return found
