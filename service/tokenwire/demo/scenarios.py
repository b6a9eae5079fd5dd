"""Plans with a name: one at least for each way an upstream fails."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named plan."""

    name: str
    plan: str
    meaning: str
    rows: tuple[int, ...] = ()
    """The rows of the table of failures (docs/errors.md) that it plays the upstream's part of."""


_ALL = (Scenario("normal", "answer", "A well-behaved answer."),)

SCENARIOS: dict[str, Scenario] = {one.name: one for one in _ALL}
"""Every scenario by its name."""


def scenario_table() -> str:
    """Return all scenarios as a Markdown table."""
    lines = ["| Scenario | Plan | What happens | Rows |", "|---|---|---|---|"]
    for one in _ALL:
        rows = ", ".join(map(str, one.rows))
        plan = one.plan.replace("|", "\\|")
        lines.append(f"| `{one.name}` | `{plan}` | {one.meaning} | {rows} |")
    return "\n".join(lines)
