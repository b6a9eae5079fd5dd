"""Renders the figures of a run as tables, for the terminal and the documentation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.figures import Run
from benchmarks.goals import TOKENWIRE, goals, ratio

MISSING = "-"


@dataclass(frozen=True)
class Column:
    """A column of a table: one figure of each server.

    Attributes:
        head: The heading.
        scenario: The name of the scenario.
        figure: The name of the figure.
        form: The format string of the figure.
        spread: Whether the lowest and the highest value are included.
    """

    head: str
    scenario: str
    figure: str
    form: str
    spread: bool = False


COLUMNS = (
    Column("burst, µs/token", "burst", "cpu_us_per_token", "{:.1f}", spread=True),
    Column("paced, µs/token", "paced", "cpu_us_per_token", "{:.0f}", spread=True),
    Column("scattered, µs/token", "scattered", "cpu_us_per_token", "{:.0f}", spread=True),
    Column("swift, µs/token", "swift", "cpu_us_per_token", "{:.1f}", spread=True),
    Column("swift in time, %", "swift", "in_time_percent", "{:.0f}"),
    Column("carried in time, %", "carried", "in_time_percent", "{:.0f}", spread=True),
    Column("delivered, %", "carried", "delivered_percent", "{:.0f}"),
    Column("Jain", "carried", "jain", "{:.3f}"),
    Column("crowd first token p50, ms", "crowd", "first_token_p50_ms", "{:.0f}", spread=True),
    Column("p99, ms", "crowd", "first_token_p99_ms", "{:.0f}", spread=True),
    Column("in time, %", "crowd", "in_time_percent", "{:.0f}"),
    Column("running late, ms", "crowd", "running_late_max_ms", "{:.0f}"),
    Column("first token p50, +ms", "ttft", "added_p50_ms", "{:.2f}", spread=True),
    Column("p99, +ms", "ttft", "added_p99_ms", "{:.2f}", spread=True),
    Column("call, µs", "percall", "cpu_us_per_call", "{:.0f}", spread=True),
    Column("idle, MB", "parked", "unused_mb", "{:.0f}"),
    Column("paused stream, kB", "parked", "kb_per_stream", "{:.1f}"),
    Column("unread stream, kB", "unread", "kb_per_stream", "{:.1f}"),
    Column("block, ms", "blocked", "block_ms", "{:.1f}", spread=True),
)
RATIOS = (
    ("burst", "cpu_us_per_token"),
    ("paced", "cpu_us_per_token"),
    ("scattered", "cpu_us_per_token"),
    ("swift", "cpu_us_per_token"),
    ("percall", "cpu_us_per_call"),
)
HEADLINE = (
    Column("CPU in bursts, µs/token", "burst", "cpu_us_per_token", "{:.1f}"),
    Column("at 25 tokens/s, µs/token", "paced", "cpu_us_per_token", "{:.0f}"),
    Column("1,000 streams in time, %", "carried", "in_time_percent", "{:.0f}"),
    Column("added to the first token, ms", "ttft", "added_p50_ms", "{:.1f}"),
)
OWN_COSTS = (
    ("upstream, µs/token", "upstream_us_per_token"),
    ("load generator, µs/token", "generator_us_per_token"),
)

Table = list[list[str]]


def tables(run: Run) -> Iterator[tuple[str, Table]]:
    """Yield each table with its title."""
    yield (
        "CPU time is the server's; each figure is the median of the rounds (lowest-highest)",
        _figures(run, COLUMNS, run.titles),
    )
    yield "tokenwire's CPU time as a multiple of the others'", _ratios(run)
    yield (
        "the goals",
        [
            ["goal", "figure", ""],
            *([goal.text, goal.figure, goal.verdict] for goal in goals(run)),
        ],
    )
    yield (
        "CPU time of the upstream and the load generator, while tokenwire is measured",
        _own_costs(run),
    )


def _figures(run: Run, wanted: tuple[Column, ...], servers: Iterable[str]) -> Table:
    columns = [column for column in wanted if column.scenario in run.cells]
    rows = [
        [run.titles[server], *(_cell(run, column, server) for column in columns)]
        for server in servers
    ]
    return [["server", *(column.head for column in columns)], *rows]


def _cell(run: Run, column: Column, server: str) -> str:
    figure = run.figure(column.scenario, server, column.figure)
    if figure is None:
        failed = run.cells[column.scenario].get(server)
        return "failed" if failed and failed.failures else MISSING
    text = column.form.format(figure.median)
    if column.spread and figure.rounds > 1:
        lowest, highest = (column.form.format(each) for each in (figure.lowest, figure.highest))
        text += f" ({lowest}-{highest})"
    return text


def _ratios(run: Run) -> Table:
    chosen = [(scenario, name) for scenario, name in RATIOS if scenario in run.cells]
    rows = [["against", *(scenario for scenario, _ in chosen)]]
    for server, title in run.titles.items():
        ratios = [ratio(run, scenario, name, server) for scenario, name in chosen]
        if server != TOKENWIRE and any(ratios):
            rows.append([title, *(f"{each:.3g} x" if each else MISSING for each in ratios)])
    return rows


def _own_costs(run: Run) -> Table:
    chosen = [name for name in ("burst", "paced", "swift", "carried") if name in run.cells]
    rows = [["", *chosen]]
    for title, name in OWN_COSTS:
        medians = [run.median(scenario, TOKENWIRE, name) for scenario in chosen]
        rows.append([title, *(MISSING if each is None else f"{each:.1f}" for each in medians)])
    return rows


def as_text(run: Run) -> str:
    """Return all tables as text for a terminal."""
    parts = []
    for title, table in tables(run):
        parts.append(f"{title}:\n{aligned(table)}")
    return "\n\n".join([*parts, described(run)])


def aligned(table: Table) -> str:
    """Return one table as text for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def as_markdown(run: Run) -> str:
    """Return all tables as Markdown, for docs/performance.md."""
    parts = [f"{title[0].upper()}{title[1:]}:\n\n{markdown(table)}" for title, table in tables(run)]
    return "\n\n".join([*parts, described(run)])


def headline(run: Run) -> str:
    """Return the table of README.md as Markdown."""
    variants = f"{TOKENWIRE}-"
    servers = [server for server in run.titles if not server.startswith(variants)]
    return markdown(_figures(run, HEADLINE, servers))


def markdown(table: Table) -> str:
    """Return one table as Markdown."""
    head, *rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def described(run: Run) -> str:
    """Return the machine, the versions and the effort of a run in one line."""
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    packages: dict[str, str] = {}
    for of_server in run.versions.values():
        for name, version in of_server.items():
            known = packages.setdefault(name, version)
            if version not in known.split(" and "):
                packages[name] = f"{known} and {version}"
    effort = f"{run.effort['rounds']:g} rounds of {run.effort['seconds']:g} s"
    listed = ", ".join(f"{name} {version}" for name, version in packages.items())
    return f"Machine: {machine}. Versions: {listed}. {effort}."
