"""Collects what a request's body has and the service's contract has not."""

from collections.abc import Iterable
from typing import Final

FIELDS: Final = {
    "messages": "history",
    "response_format": "format",
    "reasoning_effort": "reasoning.effort",
    "service_tier": "params.service_tier",
}
"""The fields of openai.Message by the names of members of which a part may be untranslated."""


class Untranslated:
    """The paths of members and values that cannot be translated, in the order of the body.

    Attributes:
        paths: The paths.
    """

    MAX_PATHS = 32
    """The most paths that are kept. The first one is in the error of a call."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def add(self, *paths: str) -> None:
        """Add paths."""
        self.extend(paths)

    def extend(self, paths: Iterable[str]) -> None:
        """Add paths."""
        self.paths += [each for each, _ in zip(paths, range(self.room), strict=False)]

    @property
    def room(self) -> int:
        """How many more paths are kept."""
        return self.MAX_PATHS - len(self.paths)

    @property
    def set_by_caller(self) -> frozenset[str]:
        """The members, by which errors of upstreams may name them; see `ChatRequest`."""
        names = {path.partition(".")[0].partition("[")[0] for path in self.paths}
        return frozenset(FIELDS.get(name, name) for name in names)
