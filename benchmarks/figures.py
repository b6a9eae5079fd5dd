"""The results of a run, as stored in the JSON file."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One figure of one server in one scenario, over all rounds.

    Attributes:
        median: The median of the rounds.
        lowest: The lowest value.
        highest: The highest value.
        rounds: The number of rounds.
    """

    median: float
    lowest: float
    highest: float
    rounds: int

    @classmethod
    def of(cls, values: list[float]) -> "Figure":
        """Return the summary of one value per round."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass
class Cell:
    """The results of one server in one scenario.

    Attributes:
        rounds: The figures of each round, by name.
        failures: The error messages of failed rounds.
    """

    rounds: list[dict[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Figure]:
        """Return each figure over all rounds that have it; a round without answers lacks some."""
        names = dict.fromkeys(name for each in self.rounds for name in each)
        return {
            name: Figure.of([each[name] for each in self.rounds if name in each]) for name in names
        }


@dataclass
class Run:
    """The results of one run.

    Attributes:
        machine: The properties of the machine, by name.
        versions: The versions of packages, by server and package.
        effort: The fields of `Effort`.
        titles: The titles of the servers, by name, in the order of the table.
        scenarios: The titles of the scenarios, by name.
        cells: The results, by scenario and server.
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
        """Return the content of the JSON file."""
        whole = asdict(self)
        for scenario, of_servers in self.cells.items():
            for server, cell in of_servers.items():
                figures = {name: asdict(figure) for name, figure in cell.figures().items()}
                whole["cells"][scenario][server]["figures"] = figures
        return whole

    @classmethod
    def from_json(cls, whole: dict[str, Any]) -> "Run":
        """Return the run with the content of a JSON file."""
        cells = {
            scenario: {
                server: Cell(cell["rounds"], cell["failures"])
                for server, cell in of_servers.items()
            }
            for scenario, of_servers in whole["cells"].items()
        }
        return cls(**{**whole, "cells": cells})
