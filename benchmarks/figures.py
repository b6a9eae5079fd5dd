"""What a run found, as it stands in the JSON file."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One figure of one server in one scenario, over the rounds."""

    median: float
    lowest: float
    highest: float
    rounds: int

    @classmethod
    def of(cls, values: list[float]) -> "Figure":
        """Sum up the rounds' values."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass
class Cell:
    """One server in one scenario: its figures by name, and what failed."""

    rounds: list[dict[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Figure]:
        """Sum up the rounds; a figure may be missing in a round where nothing arrived."""
        names = dict.fromkeys(name for each in self.rounds for name in each)
        return {
            name: Figure.of([each[name] for each in self.rounds if name in each]) for name in names
        }


@dataclass
class Run:
    """All that one run found.

    Attributes:
        machine: What it ran on.
        versions: Of the packages of each server.
        effort: How much was measured.
        titles: Of the servers, by name, in the order of the table.
        scenarios: What was done, by the scenario's name.
        cells: By scenario, then by server.
    """

    machine: dict[str, str]
    versions: dict[str, dict[str, str]]
    effort: dict[str, float]
    titles: dict[str, str]
    scenarios: dict[str, str]
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    def figure(self, scenario: str, server: str, name: str) -> Figure | None:
        """Return a figure, or None if it was not measured."""
        cell = self.cells.get(scenario, {}).get(server)
        return cell.figures().get(name) if cell else None

    def median(self, scenario: str, server: str, name: str) -> float | None:
        """Return a figure's median, or None if it was not measured."""
        figure = self.figure(scenario, server, name)
        return figure.median if figure else None

    def to_json(self) -> dict[str, Any]:
        """Return what is written."""
        whole = asdict(self)
        for scenario, of_servers in self.cells.items():
            for server, cell in of_servers.items():
                figures = {name: asdict(figure) for name, figure in cell.figures().items()}
                whole["cells"][scenario][server]["figures"] = figures
        return whole

    @classmethod
    def from_json(cls, whole: dict[str, Any]) -> "Run":
        """Read what `to_json` wrote."""
        cells = {
            scenario: {
                server: Cell(cell["rounds"], cell["failures"])
                for server, cell in of_servers.items()
            }
            for scenario, of_servers in whole["cells"].items()
        }
        return cls(**{**whole, "cells": cells})
