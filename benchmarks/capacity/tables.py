"""The tables of docs/capacity.md."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.capacity.bounds import bounds
from benchmarks.capacity.costs import Costs, costs_of, figure, memory_of, store_costs_of
from benchmarks.capacity.crowd import Crowd, predicted
from benchmarks.capacity.facts import default_facts
from benchmarks.capacity.plan import Demand, Plan
from benchmarks.capacity.steady import saturating_streams, steady
from benchmarks.figures import Run
from benchmarks.goals import FULL
from benchmarks.table import Table

SCALES = (1_000, 100_000, 10_000_000)
CROWDS = (100, 500, 1_000, 2_000)
CROWD_SECONDS = 5.0
MOST_STREAMS_OF_A_CROWD = 1_000
"""As in the benchmark's scenario `crowd`, unless fewer were measured."""
LEAST_SHARE = 0.8
"""The share of the core that the simulation uses, below which a run did not have its core."""
LOADS = (0.5, 1.0, 1.5, 2.0)
RATE = 20.0
STEADY_SECONDS = 1.0
MICRO, GIGA = 1e6, 1e9
HOUR = 3_600


def plan_of(run: Run, demand: Demand) -> Plan:
    """Return the plan for a demand, by the costs of a run."""
    return Plan(demand, costs_of(run), memory_of(run), store_costs_of(run), default_facts())


def costs_table(run: Run) -> Table:
    """Return the costs of one event loop."""
    costs, memory, store = costs_of(run), memory_of(run), store_costs_of(run)
    return [
        ["symbol", "cost", "figure", "unit"],
        ["`c`", "a call, without its tokens", f"{costs.call * MICRO:,.0f}", "µs"],
        ["`a`", "an Answer: one message to the caller", f"{costs.answer * MICRO:.1f}", "µs"],
        ["`t`", "a token in an Answer", f"{costs.token * MICRO:.1f}", "µs"],
        ["`w`", "more for a token if the loop was idle", f"{costs.wake * MICRO:.1f}", "µs"],
        ["`m0`", "an idle process", f"{memory.idle / 1e6:.0f}", "MB"],
        ["`m`", "a running stream", f"{memory.stream / 1e3:.0f}", "kB"],
        ["`mu`", "a stream whose caller does not read", f"{memory.unread / 1e3:.0f}", "kB"],
        ["`s`", "a run of Redis's script", f"{store.run * MICRO:.0f}", "µs"],
        ["`e`", "an entry in a run", f"{store.entry * MICRO:.0f}", "µs"],
    ]


@dataclass(frozen=True)
class _Row:
    """A figure of the crowd: its text, its name in the benchmark, and its format."""

    text: str
    name: str
    form: str


CHECKS = (
    _Row("first token, p50, ms", "first_token_p50_ms", "{:,.0f}"),
    _Row("first token, p99, ms", "first_token_p99_ms", "{:,.0f}"),
    _Row("tokens in time, %", "in_time_percent", "{:.0f}"),
    _Row("running streams late at most, ms", "running_late_max_ms", "{:,.0f}"),
    _Row("Answers per token", "messages_per_token", "{:.2f}"),
    _Row("cores", "server_cores", "{:.2f}"),
)


def check_table(run: Run) -> Table:
    """Return the measured crowd beside the same crowd, simulated."""
    simulated = _simulated_crowd(run)
    rows = []
    for row in CHECKS:
        found = run.figure("crowd", FULL, row.name)
        figure(run, "crowd", row.name)
        assert found is not None  # noqa: S101 - `figure` has looked
        measured = row.form.format(found.median)
        spread = f"{row.form.format(found.lowest)}-{row.form.format(found.highest)}"
        rows.append([row.text, row.form.format(simulated[row.name]), f"{measured} ({spread})"])
    return [["figure", "predicted", "measured (lowest-highest)"], *rows]


def remark(run: Run) -> str:
    """Return whether the measured crowd had the core that the simulation has."""
    got = figure(run, "crowd", "server_cores")
    wanted = _simulated_crowd(run)["server_cores"]
    if got >= LEAST_SHARE * wanted:
        return "In the measured crowd, the server had the core that the simulation needs."
    return (
        f"**These figures are of a busy machine.** In the measured crowd, the server got {got:.2f} "
        f"of a core where the simulation uses {wanted:.2f}: other programs used its core. So the "
        "run does not test the simulation, and its costs are higher than those of a machine with "
        "nothing else to do, such as the one in [performance.md](performance.md)."
    )


def _simulated_crowd(run: Run) -> dict[str, float]:
    streams = min(MOST_STREAMS_OF_A_CROWD, int(run.effort["most_streams"]))
    return predicted(costs_of(run), Crowd(streams, rate=RATE, seconds=run.effort["seconds"]))


def crowds_table(costs: Costs) -> Table:
    """Return what crowds of several sizes see."""
    rows = []
    for streams in CROWDS:
        found = predicted(costs, Crowd(streams, rate=RATE, seconds=CROWD_SECONDS))
        shown = [row.form.format(found[row.name]) for row in CHECKS]
        rows.append([f"{streams:,}", *shown])
    return [["streams at once", *(row.text for row in CHECKS)], *rows]


def steady_table(costs: Costs) -> Table:
    """Return what streams that run steadily see, up to twice the load that fills a core."""
    rows = []
    for load in LOADS:
        streams = max(1, round(saturating_streams(costs, RATE, load)))
        found = steady(costs, streams, RATE, STEADY_SECONDS)
        rows.append(
            [
                f"{load:.0%}",
                f"{streams:,}",
                f"{found.utilisation:.2f}",
                f"{found.messages_per_token:.2f}",
                f"{found.in_time_percent:.0f}",
                f"{found.late_p99_ms:,.0f}",
            ]
        )
    head = ["load", "streams", "cores", "Answers per token", "in time, %", "late, p99, ms"]
    return [head, *rows]


PLAN_ROWS: tuple[tuple[str, Callable[[Plan], str]], ...] = (
    ("tokens/s", lambda it: f"{it.demand.tokens_per_second:,.0f}"),
    ("calls/s", lambda it: f"{it.demand.calls_per_second:,.0f}"),
    ("output tokens a minute that upstreams must allow", lambda it: f"{it.tokens_per_minute:,.0f}"),
    ("cores that event loops use", lambda it: f"{it.cores:,.1f}"),
    ("pods", lambda it: f"{it.pods:,}"),
    ("streams of a pod", lambda it: f"{it.streams_per_pod:,.0f}"),
    ("nodes", lambda it: f"{it.nodes:,}"),
    ("cells", lambda it: f"{it.cells:,}"),
    ("memory, GB", lambda it: f"{it.memory_bytes / GIGA:,.1f}"),
    ("upstream connections", lambda it: f"{it.upstream_connections:,}"),
    ("NAT addresses for one upstream address", lambda it: f"{it.nat_addresses:,}"),
    ("clients", lambda it: f"{it.demand.clients:,}"),
    ("connections of clients, one release", lambda it: f"{it.client_connections:,}"),
    ("clients of a pod, one release", lambda it: f"{it.demand.clients:,}"),
    ("clients of a pod, in cells", lambda it: f"{it.clients_of_a_pod:,}"),
    ("open files of a pod, one release", lambda it: f"{it.descriptors_per_pod:,.0f}"),
    ("tracked connections of a node, one release", lambda it: f"{it.conntrack_per_node:,.0f}"),
    ("entries of the store/s", lambda it: f"{it.store_entries_per_second:,.0f}"),
    ("cores of Redis, at most", lambda it: f"{it.store_cores:,.2f}"),
    ("nodes of Redis, sharded by caller", lambda it: f"{it.store_nodes:,}"),
    ("DNS answer, bytes, one release", lambda it: f"{it.dns_bytes:,}"),
    ("EndpointSlices", lambda it: f"{it.endpoint_slices:,}"),
    ("series in Prometheus", lambda it: f"{it.series:,}"),
    ("samples/s", lambda it: f"{it.samples_per_second:,.0f}"),
    ("log lines of calls, GB a day", lambda it: f"{it.log_bytes_per_day / GIGA:,.1f}"),
    ("rollout one pod at a time, hours", lambda it: f"{it.rollout_seconds(1) / HOUR:,.1f}"),
    (
        "rollout of a tenth at a time, hours",
        lambda it: f"{it.rollout_seconds(max(1, it.pods // 10)) / HOUR:,.1f}",
    ),
)


def plan_table(plans: list[Plan]) -> Table:
    """Return what each plan needs, one column for each."""
    head = ["streams", *(f"{plan.demand.streams:,}" for plan in plans)]
    return [head, *([text, *(show(plan) for plan in plans)] for text, show in PLAN_ROWS)]


def facts_table() -> Table:
    """Return what is assumed without being measured here."""
    facts = default_facts()
    rows = [
        ("slots of a pod, `TOKENWIRE_MAX_STREAMS`", f"{facts.max_streams:,} streams"),
        ("calls of one connection at once", f"{facts.streams_per_connection:,}"),
        ("start of a pod, with the image on the node", f"{facts.start_seconds:g} s"),
        ("`minReadySeconds` of the chart", f"{facts.min_ready_seconds} s"),
        ("`TOKENWIRE_DRAIN_SECONDS` of the chart", f"{facts.drain_seconds:g} s"),
        ("series of a pod, one model, no callers", f"{facts.series_per_pod:,}"),
        ("time between two scrapes", f"{facts.scrape_seconds:g} s"),
        ("a line `call ended`", f"{facts.call_line_bytes:,} bytes"),
        ("ports of Linux for one upstream address, 32768 to 60999", f"{facts.ephemeral_ports:,}"),
        ("cores of a node, one of which is its own", f"{facts.node_cores}"),
        ("pods of a node, by the kubelet's default", f"{facts.max_pods_per_node}"),
        ("tracked connections of a node, by kube-proxy's default", f"{facts.conntrack_max:,}"),
        ("pods of a cell: endpoints to which Services are tested", f"{facts.tested_endpoints:,}"),
        (
            "pods of a namespace to which Kubernetes is tested",
            f"{facts.tested_pods_per_namespace:,}",
        ),
        ("pods of a cluster, the same", f"{facts.tested_pods:,}"),
        ("endpoints of an EndpointSlice, by default", f"{facts.endpoints_per_slice:,}"),
        ("a DNS record in an answer", f"{facts.dns_record_bytes} bytes"),
        ("hard limit of open files in a container", f"{facts.open_files:,}"),
        ("series of one Prometheus with 8 to 16 GB of memory", f"{facts.prometheus_series:,}"),
    ]
    return [["what", "value"], *(list(row) for row in rows)]


def bounds_table(plan: Plan) -> Table:
    """Return which part gives way first, with the streams that it carries."""
    rows = [
        [bound.part, bound.limit, "more" if streams is None else _rounded(streams), bound.remedy]
        for bound, streams in bounds(plan)
    ]
    return [["part", "limit", "streams", "what helps"], *rows]


def _rounded(count: int) -> str:
    """Return a number with two digits that count, rounded down."""
    digits = max(0, len(str(count)) - 2)
    return f"{count // 10**digits * 10**digits:,}"
