"""Generates the tables of steps and scenarios in docs/demo-upstream.md."""

from tokenwire_demo.arguments import syntax
from tokenwire_demo.scenarios import SCENARIOS
from tokenwire_demo.step import STEPS
from tokenwire_demo.steps import GROUPS


def step_tables() -> str:
    """Return the steps by group, as Markdown tables."""
    groups = []
    for title, module in GROUPS.items():
        lines = [f"### {title}", "", "| Step | What it does |", "|---|---|"]
        lines += [
            f"| {_code(syntax(cls))} | {_first_line(cls)} |"
            for cls in STEPS.values()
            if cls.__module__ == module.__name__
        ]
        groups.append("\n".join(lines))
    return "\n\n".join(groups)


def scenario_table() -> str:
    """Return the scenarios as a Markdown table."""
    lines = ["| Scenario | Plan | What happens | Rows |", "|---|---|---|---|"]
    lines += [
        f"| `{one.name}` | {_code(one.plan)} | {one.meaning} | {', '.join(map(str, one.rows))} |"
        for one in SCENARIOS.values()
    ]
    return "\n".join(lines)


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


def _code(text: str) -> str:
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`"
