"""The dashboard for whoever is on call."""

from typing import Final

from panels import JOB, MODEL, Panel, Query, gauge, quantile, quantiles, rate, total

OK: Final = f'{MODEL}, outcome="ok"'
JUDGED: Final = f'{MODEL}, outcome=~"ok|error"'
FIRST_TOKEN: Final = "gen_ai_server_time_to_first_token_seconds"  # noqa: S105 - a metric
LEFT: Final = "tokenwire_abandoned_wait_seconds"
CALLS: Final = "tokenwire_calls_total"
STREAMS: Final = gauge("tokenwire_streams_in_flight")
LIMIT: Final = gauge("tokenwire_streams_limit")
WAITING: Final = gauge("tokenwire_queue_length")

STATS: Final = (
    Panel(
        "Availability",
        "Share of calls that ended well, of those that the service took and whose caller "
        "waited. The objective is 99.9 %.",
        "percentunit",
        (
            Query(
                f"sum (increase({CALLS}{{{OK}}}[$__range])) "
                f"/ sum (increase({CALLS}{{{JUDGED}}}[$__range]))"
            ),
        ),
        kind="stat",
        width=4,
        steps=((0, "red"), (0.99, "orange"), (0.999, "green")),
    ),
    Panel(
        "Calls",
        "Calls that ended, each second, whatever their outcome.",
        "reqps",
        (Query(total(CALLS, MODEL)),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Failing",
        "Calls that failed by no fault of their caller, each second.",
        "reqps",
        (Query(total(CALLS, f'{MODEL}, outcome="error"')),),
        kind="stat",
        width=4,
        steps=((0, "green"), (0.01, "orange"), (1, "red")),
    ),
    Panel(
        "First token, p95",
        "Nineteen of twenty callers get their first token sooner. The objective is 2.5 s.",
        "s",
        (Query(quantile(0.95, FIRST_TOKEN, MODEL)),),
        kind="stat",
        width=4,
        steps=((0, "green"), (1, "orange"), (2.5, "red")),
    ),
    Panel(
        "Output tokens",
        "Tokens that models wrote, each second, all answers together; counted when a call ends.",
        "tokens/s",
        (Query(total("tokenwire_tokens_total", f'{MODEL}, gen_ai_token_type="output"')),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Places taken",
        "Answers in flight, of as many as may be in flight. At 100 % callers are turned away.",
        "percentunit",
        (Query(f"sum ({STREAMS}) / sum ({LIMIT})"),),
        kind="stat",
        width=4,
        steps=((0, "green"), (0.5, "orange"), (0.8, "red")),
    ),
)

GRAPHS: Final = (
    Panel(
        "Calls by outcome",
        "Ok, error (the service or its upstream failed), rejected (the caller's fault, or no "
        "place), cancelled and deadline (the caller left).",
        "reqps",
        (Query(total(CALLS, MODEL, by="outcome"), "{{outcome}}"),),
        stacked=True,
    ),
    Panel(
        "Errors by reason",
        "Calls that did not end with OK, by status code and reason: docs/errors.md tells who "
        "can end each. Cancelled calls are here too.",
        "reqps",
        (
            Query(
                total("tokenwire_errors_total", by="grpc_code, reason") + " > 0",
                "{{grpc_code}} {{reason}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Time to first token",
        "From the call's begin to its first token. Points are traces, where exemplars are on.",
        "s",
        quantiles(FIRST_TOKEN, MODEL),
    ),
    Panel(
        "Tokens",
        "Tokens each second by direction; cached is a part of input, reasoning of output.",
        "tokens/s",
        (
            Query(
                total("tokenwire_tokens_total", MODEL, by="gen_ai_token_type"),
                "{{gen_ai_token_type}}",
            ),
        ),
    ),
    Panel(
        "Streams and places",
        "Answers in flight, calls that wait, and how many may be in flight.",
        "short",
        (
            Query(f"sum ({STREAMS})", "streams"),
            Query(f"sum ({WAITING})", "waiting"),
            Query(f"sum ({LIMIT})", "limit"),
        ),
    ),
    Panel(
        "Time between tokens",
        "Mean time between two tokens of one answer, after the first.",
        "s",
        quantiles("gen_ai_server_time_per_output_token_seconds", MODEL),
    ),
    Panel(
        "Calls by status code",
        "gRPC's own view: every call that ended, by its status code.",
        "reqps",
        (Query(total("grpc_server_handled_total", by="grpc_code") + " > 0", "{{grpc_code}}"),),
        stacked=True,
    ),
    Panel(
        "Rejected calls by reason",
        "Calls that the service did not take: a fault of the request, a slow reader, no place.",
        "reqps",
        (Query(total("tokenwire_rejected_total", by="reason") + " > 0", "{{reason}}"),),
        stacked=True,
    ),
    Panel(
        "Burn rate",
        "How many times faster than allowed the month's error budget goes, over an hour: at 1 "
        "it lasts a month, at 14.4 two days. Needs the recording rules.",
        "short",
        (
            Query(f"job:tokenwire_errors:ratio_rate1h{{{JOB}}} / 0.001", "failed calls, {{job}}"),
            Query(
                f"job:tokenwire_late_first_tokens:ratio_rate1h{{{JOB}}} / 0.05",
                "late first tokens, {{job}}",
            ),
        ),
    ),
    Panel(
        "Cost",
        "Dollars an hour at the present rate, for models with a price in TOKENWIRE_PRICES.",
        "currencyUSD",
        (
            Query(
                f"3600 * sum by (gen_ai_request_model) "
                f"({rate('tokenwire_cost_dollars_total', MODEL)})",
                "{{gen_ai_request_model}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Calls whose caller left",
        "Cancelled calls, before and after their first token.",
        "reqps",
        (Query(total("tokenwire_cancelled_calls_total", by="phase"), "{{phase}}"),),
        stacked=True,
    ),
    Panel(
        "Callers who left waiting",
        "Cancelled or out of time while the model was silent, by how far the answer had come. "
        "Callers who did not read are not among them.",
        "reqps",
        (Query(total(f"{LEFT}_count", MODEL, by="outcome, phase"), "{{outcome}} {{phase}}"),),
        stacked=True,
    ),
    Panel(
        "Wait of callers who left",
        "How long they had waited for the first token, or for the next. Equal waits are those of "
        "one client's deadline.",
        "s",
        quantiles(LEFT, MODEL),
    ),
    Panel(
        "Late first tokens",
        "Share over 5 minutes, those that never came included. The objective is 5 %. Needs the "
        "recording rules.",
        "percentunit",
        (Query(f"job:tokenwire_late_first_tokens:ratio_rate5m{{{JOB}}}", "{{job}}"),),
    ),
    Panel(
        "Duration of calls",
        "From begin to end, by gRPC's metric. Long answers take long: no objective judges it.",
        "s",
        quantiles("grpc_server_handling_seconds"),
    ),
)

PANELS: Final = (*STATS, *GRAPHS)
