"""The dashboard of models and their upstream."""

from typing import Final

from panels import MODEL, Panel, Query, quantile, quantiles, total

NAME: Final = "gen_ai_request_model"
LEGEND: Final = "{{gen_ai_request_model}}"
CALLS: Final = "tokenwire_calls_total"
TOKENS: Final = "tokenwire_tokens_total"
UPSTREAM: Final = "gen_ai_client_operation_duration_seconds"

PANELS: Final = (
    Panel(
        "Calls by model",
        "Calls that ended, each second. `other` is every model that the settings do not name.",
        "reqps",
        (Query(total(CALLS, MODEL, by=NAME), LEGEND),),
        stacked=True,
    ),
    Panel(
        "Failing share by model",
        "Share of calls that failed, of those that were taken and whose caller waited.",
        "percentunit",
        (
            Query(
                total(CALLS, f'{MODEL}, outcome="error"', by=NAME)
                + " / "
                + total(CALLS, f'{MODEL}, outcome=~"ok|error"', by=NAME),
                LEGEND,
            ),
        ),
    ),
    Panel(
        "First token by model, p95",
        "Nineteen of twenty callers get their first token sooner.",
        "s",
        (
            Query(
                quantile(0.95, "gen_ai_server_time_to_first_token_seconds", MODEL, by=NAME),
                LEGEND,
                exemplars=True,
            ),
        ),
    ),
    Panel(
        "Time between tokens by model, p95",
        "Mean time between two tokens of one answer; nineteen of twenty answers are faster.",
        "s",
        (
            Query(
                quantile(0.95, "gen_ai_server_time_per_output_token_seconds", MODEL, by=NAME),
                LEGEND,
            ),
        ),
    ),
    Panel(
        "Output tokens by model",
        "Tokens that each model wrote, each second; counted when a call ends.",
        "tokens/s",
        (Query(total(TOKENS, f'{MODEL}, gen_ai_token_type="output"', by=NAME), LEGEND),),
        stacked=True,
    ),
    Panel(
        "Cached share of input",
        "How much of the prompts the upstream had read before, and bills for less.",
        "percentunit",
        (
            Query(
                total(TOKENS, f'{MODEL}, gen_ai_token_type="cached"', by=NAME)
                + " / "
                + total(TOKENS, f'{MODEL}, gen_ai_token_type="input"', by=NAME),
                LEGEND,
            ),
        ),
    ),
    Panel(
        "Tokens of one answer",
        "Half of the answers, and nineteen of twenty, have fewer tokens.",
        "short",
        tuple(
            Query(
                quantile(share, "gen_ai_client_token_usage", MODEL, by="gen_ai_token_type"),
                f"{{{{gen_ai_token_type}}}}, p{share * 100:.0f}",
            )
            for share in (0.5, 0.95)
        ),
    ),
    Panel(
        "Time of the upstream",
        "From asking the model to the call's end, repeated requests included.",
        "s",
        quantiles(UPSTREAM, MODEL),
    ),
    Panel(
        "Failed requests to the upstream",
        "By reason: docs/errors.md tells what each means. Those that were then repeated count.",
        "reqps",
        (
            Query(
                total("tokenwire_upstream_errors_total", MODEL, by=f"{NAME}, reason") + " > 0",
                f"{LEGEND} {{{{reason}}}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Repeated requests",
        "By the reason of the first one's failure. Callers do not see these failures.",
        "reqps",
        (
            Query(
                total("tokenwire_upstream_retries_total", MODEL, by=f"{NAME}, reason") + " > 0",
                f"{LEGEND} {{{{reason}}}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Why answers ended",
        "Stop: the model was done. Length: it reached the limit of tokens.",
        "reqps",
        (
            Query(
                total("tokenwire_finish_reasons_total", MODEL, by="finish_reason"),
                "{{finish_reason}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Tokens for callers who left",
        "Output tokens of answers that nobody waited for: paid and thrown away.",
        "tokens/s",
        (Query(total("tokenwire_abandoned_tokens_total", MODEL, by=NAME), LEGEND),),
        stacked=True,
    ),
    Panel(
        "Cost by model",
        "Dollars an hour at the present rate, for models with a price in TOKENWIRE_PRICES.",
        "currencyUSD",
        (Query(f"3600 * {total('tokenwire_cost_dollars_total', MODEL, by=NAME)}", LEGEND),),
        stacked=True,
    ),
    Panel(
        "Calls by error",
        "Calls of the chosen models by `error_type`; those that ended well are not shown.",
        "reqps",
        (
            Query(
                total(
                    "gen_ai_server_request_duration_seconds_count",
                    f'{MODEL}, error_type!=""',
                    by="error_type",
                ),
                "{{error_type}}",
            ),
        ),
        stacked=True,
    ),
)
