"""The dashboard of models and their upstream."""

from typing import Final

from grafana_foundation_sdk.models import units

from meanings import REASONS, RED, TOKENS, colored, dashed
from panels import TOKENS_PER_SECOND, Panel, graph, quantiles, query
from promql import MODEL, quantile, total

NAME: Final = "gen_ai_request_model"
LEGEND: Final = "{{gen_ai_request_model}}"
CALLS: Final = "tokenwire_calls_total"
COUNTED: Final = "tokenwire_tokens_total"


def panels() -> list[Panel]:
    """Return the panels in their order."""
    return [
        graph(
            "Calls by model",
            "Calls that ended, each second. `other` is every model that the settings do not name.",
            units.RequestsPerSecond,
            query(total(CALLS, MODEL, by=NAME), LEGEND),
            stacked=True,
        ),
        graph(
            "Failing share by model",
            "Share of calls that failed, of those that were taken and whose caller waited.",
            units.PercentUnit,
            query(
                total(CALLS, f'{MODEL}, outcome="error"', by=NAME)
                + " / "
                + total(CALLS, f'{MODEL}, outcome=~"ok|error"', by=NAME),
                LEGEND,
            ),
        ),
        graph(
            "First token by model, p95",
            "Nineteen of twenty callers get their first token sooner.",
            units.Seconds,
            query(
                quantile(0.95, "gen_ai_server_time_to_first_token_seconds", MODEL, by=NAME),
                LEGEND,
                exemplars=True,
            ),
        ),
        graph(
            "Time between tokens by model, p95",
            "Mean time between two tokens of one answer; nineteen of twenty answers are faster.",
            units.Seconds,
            query(
                quantile(0.95, "gen_ai_server_time_per_output_token_seconds", MODEL, by=NAME),
                LEGEND,
            ),
        ),
        graph(
            "Output tokens by model",
            "Tokens that each model wrote, each second; counted when a call ends.",
            TOKENS_PER_SECOND,
            query(total(COUNTED, f'{MODEL}, gen_ai_token_type="output"', by=NAME), LEGEND),
            stacked=True,
        ),
        graph(
            "Cached share of input",
            "How much of the prompts the upstream had read before, and bills for less.",
            units.PercentUnit,
            query(
                total(COUNTED, f'{MODEL}, gen_ai_token_type="cached"', by=NAME)
                + " / "
                + total(COUNTED, f'{MODEL}, gen_ai_token_type="input"', by=NAME),
                LEGEND,
            ),
        ),
        tokens_of_an_answer(),
        quantiles(
            "Time of the upstream",
            "From asking the model for an answer to the call's end, repeated requests included.",
            "gen_ai_client_operation_duration_seconds",
            f'{MODEL}, gen_ai_operation_name="chat"',
        ),
        colored(
            graph(
                "Failed requests to the upstream",
                "By reason: docs/errors.md tells what each means. Those that were then repeated "
                "count.",
                units.RequestsPerSecond,
                query(
                    total("tokenwire_upstream_errors_total", MODEL, by=f"{NAME}, reason") + " > 0",
                    f"{LEGEND} {{{{reason}}}}",
                ),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
        graph(
            "Repeated requests",
            "By the reason of the first one's failure. Callers do not see these failures.",
            units.RequestsPerSecond,
            query(
                total("tokenwire_upstream_retries_total", MODEL, by=f"{NAME}, reason") + " > 0",
                f"{LEGEND} {{{{reason}}}}",
            ),
            stacked=True,
        ),
        graph(
            "Why answers ended",
            "Stop: the model was done. Length: it reached the limit of tokens.",
            units.RequestsPerSecond,
            query(
                total("tokenwire_finish_reasons_total", MODEL, by="finish_reason"),
                "{{finish_reason}}",
            ),
            stacked=True,
        ),
        graph(
            "Tokens for callers who left",
            "Output tokens of answers that nobody waited for: paid and thrown away.",
            TOKENS_PER_SECOND,
            query(total("tokenwire_abandoned_tokens_total", MODEL, by=NAME), LEGEND),
            stacked=True,
        ),
        graph(
            "Cost by model",
            "Dollars an hour at the present rate, for models with a price in TOKENWIRE_PRICES.",
            units.Dollars,
            query(f"3600 * {total('tokenwire_cost_dollars_total', MODEL, by=NAME)}", LEGEND),
            stacked=True,
        ),
        colored(
            graph(
                "Calls by error",
                "Calls of the chosen models by `error_type`; those that ended well are not shown.",
                units.RequestsPerSecond,
                query(
                    total(
                        "gen_ai_server_request_duration_seconds_count",
                        f'{MODEL}, error_type!=""',
                        by="error_type",
                    ),
                    "{{error_type}}",
                ),
                stacked=True,
            ),
            REASONS,
            otherwise=RED,
        ),
    ]


def tokens_of_an_answer() -> Panel:
    """Return the panel of two quantiles for each kind of token."""
    queries = [
        query(
            quantile(share, "gen_ai_client_token_usage", MODEL, by="gen_ai_token_type"),
            f"{{{{gen_ai_token_type}}}}, p{share * 100:.0f}",
        )
        for share in (0.5, 0.95)
    ]
    panel = graph(
        "Tokens of one answer",
        "Half of the answers, and nineteen of twenty (dashed), have fewer tokens.",
        units.Short,
        *queries,
    )
    colors = {
        color: [f"{kind.value}, {share}" for share in ("p50", "p95")]
        for kind, color in TOKENS.items()
    }
    return colored(panel, colors).override_by_query("B", dashed())
