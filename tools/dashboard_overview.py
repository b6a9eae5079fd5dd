"""The dashboard for whoever is on call."""

from typing import Final

from grafana_foundation_sdk.models import units

from meanings import (
    AMBER,
    CODES,
    ENDINGS,
    GREEN,
    LEAVING,
    OUTCOMES,
    PHASES,
    REASONS,
    RED,
    TOKENS,
    colored,
    fixed,
    limit,
)
from panels import TOKENS_PER_SECOND, Panel, figure, graph, quantiles, query
from promql import MODEL, SERVICE, gauge, quantile, rate, total

OK: Final = f'{MODEL}, outcome="ok"'
JUDGED: Final = f'{MODEL}, outcome=~"ok|error"'
FIRST_TOKEN: Final = "gen_ai_server_time_to_first_token_seconds"  # noqa: S105 - a metric
LEFT: Final = "tokenwire_abandoned_wait_seconds"
CALLS: Final = "tokenwire_calls_total"
STREAMS: Final = gauge("tokenwire_streams_in_flight")
LIMIT: Final = gauge("tokenwire_streams_limit")
WAITING: Final = gauge("tokenwire_queue_length")
EACH_SERVICE: Final = "{{namespace}} {{job}}"


def panels() -> list[Panel]:
    """Return the panels in their order."""
    return [*figures(), *calls(), *callers()]


def figures() -> list[Panel]:
    """Return the top row, which is enough for a first look."""
    return [
        figure(
            "Availability",
            "Share of calls that ended well, of those that the service took and whose caller "
            "waited. The objective is 99.9 %.",
            units.PercentUnit,
            query(
                f"sum (increase({CALLS}{{{OK}}}[$__range])) "
                f"/ sum (increase({CALLS}{{{JUDGED}}}[$__range]))"
            ),
            steps=((0, RED), (0.99, AMBER), (0.999, GREEN)),
        ),
        figure(
            "Calls",
            "Calls that ended, each second, whatever their outcome.",
            units.RequestsPerSecond,
            query(total(CALLS, MODEL)),
        ),
        figure(
            "Failing",
            "Calls that failed by no fault of their caller, each second.",
            units.RequestsPerSecond,
            query(total(CALLS, f'{MODEL}, outcome="error"')),
            steps=((0, GREEN), (0.01, AMBER), (1, RED)),
        ),
        figure(
            "First token, p95",
            "Nineteen of twenty callers get their first token sooner. The objective is 2.5 s.",
            units.Seconds,
            query(quantile(0.95, FIRST_TOKEN, MODEL)),
            steps=((0, GREEN), (1, AMBER), (2.5, RED)),
        ),
        figure(
            "Output tokens",
            "Tokens that models wrote, each second, all answers together; counted when a call "
            "ends.",
            TOKENS_PER_SECOND,
            query(total("tokenwire_tokens_total", f'{MODEL}, gen_ai_token_type="output"')),
        ),
        figure(
            "Slots taken",
            "Answers in flight, of as many as may be in flight. At 100 % callers are turned away.",
            units.PercentUnit,
            query(f"sum ({STREAMS}) / sum ({LIMIT})"),
            steps=((0, GREEN), (0.5, AMBER), (0.8, RED)),
        ),
    ]


def calls() -> list[Panel]:
    """Return the panels of how calls end, and of how fast and how many answers flow."""
    return [
        colored(
            graph(
                "Calls by outcome",
                "Ok, error (the service or its upstream failed), rejected (the caller's fault, or "
                "no slot), cancelled and deadline (the caller left).",
                units.RequestsPerSecond,
                query(total(CALLS, MODEL, by="outcome"), "{{outcome}}"),
                stacked=True,
            ),
            OUTCOMES,
        ),
        colored(
            graph(
                "Errors by reason",
                "Calls that did not end with OK, by status code and reason: docs/errors.md tells "
                "who can end each. Red is an error, amber a rejected call; cancelled calls are "
                "here too.",
                units.RequestsPerSecond,
                query(
                    total("tokenwire_errors_total", by="grpc_code, reason") + " > 0",
                    "{{grpc_code}} {{reason}}",
                ),
                stacked=True,
            ),
            ENDINGS,
            otherwise=RED,
        ),
        quantiles(
            "Time to first token",
            "From the call's begin to its first token. Points are traces, where exemplars are on.",
            FIRST_TOKEN,
            MODEL,
        ),
        colored(
            graph(
                "Tokens",
                "Tokens each second by direction; cached is a part of input, reasoning of output.",
                TOKENS_PER_SECOND,
                query(
                    total(
                        "tokenwire_tokens_total",
                        f'{MODEL}, gen_ai_token_type=~"{"|".join(kind.value for kind in TOKENS)}"',
                        by="gen_ai_token_type",
                    ),
                    "{{gen_ai_token_type}}",
                ),
            ),
            {color: [kind.value] for kind, color in TOKENS.items()},
        ),
        graph(
            "Streams and slots",
            "Answers in flight, calls that wait, and how many may be in flight.",
            units.Short,
            query(f"sum ({STREAMS})", "streams"),
            query(f"sum ({WAITING})", "waiting"),
            query(f"sum ({LIMIT})", "limit"),
        )
        .override_by_name("streams", fixed("blue"))
        .override_by_name("waiting", fixed("purple"))
        .override_by_name("limit", limit()),
        quantiles(
            "Time between tokens",
            "Mean time between two tokens of one answer, after the first.",
            "gen_ai_server_time_per_output_token_seconds",
            MODEL,
        ),
        colored(
            graph(
                "Calls by status code",
                "gRPC's own view: every call that ended, by its status code.",
                units.RequestsPerSecond,
                query(total("grpc_server_handled_total", by="grpc_code") + " > 0", "{{grpc_code}}"),
                stacked=True,
            ),
            CODES,
            otherwise=RED,
        ),
        colored(
            graph(
                "Rejected calls by reason",
                "Calls that the service did not take: a fault of the request, a slow reader, no "
                "slot.",
                units.RequestsPerSecond,
                query(total("tokenwire_rejected_total", by="reason") + " > 0", "{{reason}}"),
                stacked=True,
            ),
            REASONS,
            otherwise=AMBER,
        ),
        graph(
            "Burn rate",
            "How many times faster than allowed the month's error budget goes, over an hour: at 1 "
            "it lasts a month, at 14.4 two days. Needs the recording rules.",
            units.Short,
            query(
                f"job:tokenwire_errors:ratio_rate1h{{{SERVICE}}} / 0.001",
                f"failed calls, {EACH_SERVICE}",
            ),
            query(
                f"job:tokenwire_late_first_tokens:ratio_rate1h{{{SERVICE}}} / 0.05",
                f"late first tokens, {EACH_SERVICE}",
            ),
        )
        .override_by_query("A", fixed(RED))
        .override_by_query("B", fixed("purple")),
        graph(
            "Cost",
            "Dollars an hour at the present rate, for models with a price in TOKENWIRE_PRICES.",
            units.Dollars,
            query(
                f"3600 * sum by (gen_ai_request_model) "
                f"({rate('tokenwire_cost_dollars_total', MODEL)})",
                "{{gen_ai_request_model}}",
            ),
            stacked=True,
        ),
    ]


def callers() -> list[Panel]:
    """Return the panels of what callers have to wait for, and of those who did not wait."""
    return [
        colored(
            graph(
                "Calls whose caller left",
                "Cancelled calls, before and after their first token.",
                units.RequestsPerSecond,
                query(total("tokenwire_cancelled_calls_total", by="phase"), "{{phase}}"),
                stacked=True,
            ),
            PHASES,
        ),
        colored(
            graph(
                "Callers who left waiting",
                "Cancelled or out of time while the model was silent, by how far the answer had "
                "come. Callers who did not read are not among them.",
                units.RequestsPerSecond,
                query(total(f"{LEFT}_count", MODEL, by="outcome, phase"), "{{outcome}} {{phase}}"),
                stacked=True,
            ),
            LEAVING,
        ),
        quantiles(
            "Wait of callers who left",
            "How long they had waited for the first token, or for the next. Equal waits are those "
            "of one client's deadline.",
            LEFT,
            MODEL,
        ),
        graph(
            "Late first tokens",
            "Share over 5 minutes, those that never came included. The objective is 5 %. Needs the "
            "recording rules.",
            units.PercentUnit,
            query(f"job:tokenwire_late_first_tokens:ratio_rate5m{{{SERVICE}}}", EACH_SERVICE),
        ),
        quantiles(
            "Duration of calls",
            "From begin to end, by gRPC's metric. Long answers take long: no objective judges it.",
            "grpc_server_handling_seconds",
        ),
    ]
