"""The dashboard of callers: what they use, and what counts it."""

from typing import Final

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.common import LineInterpolation

from meanings import AMBER, GREEN, RED, colored, shades
from panels import TOKENS_PER_SECOND, Panel, graph, quantiles, query
from promql import PROCESS, gauge, total

CALLS: Final = "tokenwire_caller_calls_total"
CALLER: Final = "{{caller}}"
EACH: Final = "{{instance}} {{worker}}"
"""Worker is empty where a process has no others beside it."""
NEAREST: Final = 20


def panels() -> list[Panel]:
    """Return the panels in their order."""
    return [*use(), *limits(), *store(), *updates(), *records(), *issuers()]


def use() -> list[Panel]:
    """Return the panels of who uses how much."""
    return [
        graph(
            "Cost by caller",
            "Dollars an hour at the present rate, for models that have a price.",
            units.Dollars,
            query(f"3600 * {total('tokenwire_caller_cost_dollars_total', by='caller')}", CALLER),
            stacked=True,
        ),
        graph(
            "Tokens by caller",
            "Input and output tokens of calls that ended, each second.",
            TOKENS_PER_SECOND,
            query(
                total("tokenwire_caller_tokens_total", by="caller, gen_ai_token_type"),
                f"{CALLER} {{{{gen_ai_token_type}}}}",
            ),
            stacked=True,
        ),
        graph(
            "Calls by caller",
            "Calls that ended, each second, rejected ones included. Calls without valid "
            "credentials have no caller.",
            units.RequestsPerSecond,
            query(total(CALLS, by="caller"), CALLER),
            stacked=True,
        ),
    ]


def limits() -> list[Panel]:
    """Return the panels of how near callers are to their limits, and of what that rejects."""
    return [
        graph(
            "Used share of limits",
            f"What is used and reserved of a limit. The {NEAREST} limits that are nearest to "
            "their end; of several processes the one that knows of most.",
            units.PercentUnit,
            query(
                f"topk({NEAREST}, max by (caller, limit) "
                f"({gauge('tokenwire_caller_limit_used_ratio')}))",
                f"{CALLER} {{{{limit}}}}",
            ),
        ),
        colored(
            graph(
                "Calls rejected by limits",
                "By caller and reason, each second. `CALLER_BUDGET_EXHAUSTED` also ends calls "
                "during their answer. The log line of a call has the field `limit`.",
                units.RequestsPerSecond,
                query(
                    total("tokenwire_caller_limit_rejections_total", by="caller, reason") + " > 0",
                    f"{CALLER} {{{{reason}}}}",
                ),
                stacked=True,
            ),
            {},
            otherwise=AMBER,
        ),
        graph(
            "Failing share by caller",
            "Share of calls that failed, of those that were taken and whose caller waited.",
            units.PercentUnit,
            query(
                total(CALLS, f'{PROCESS}, outcome="error"', by="caller")
                + " / "
                + total(CALLS, f'{PROCESS}, outcome=~"ok|error"', by="caller"),
                CALLER,
            ),
        ),
    ]


def store() -> list[Panel]:
    """Return the panels of the store of limits."""
    return [
        graph(
            "Store of limits",
            "With a store: 1 if it answered the last request of the process, 0 while it is away. "
            "Then each process counts alone or, with `without_store: refuse`, rejects calls.",
            units.Short,
            query(gauge("tokenwire_limit_store_up"), EACH),
        ).line_interpolation(LineInterpolation.STEP_AFTER),
        quantiles(
            "Time of the store",
            "Time of the requests that the store answered. The start of a call waits for it; after "
            "0.25 s it counts as away.",
            "tokenwire_limit_store_request_seconds",
        ),
        colored(
            graph(
                "Failures of the store",
                "Requests that the store did not answer as it should, each second, by cause.",
                units.RequestsPerSecond,
                query(total("tokenwire_limit_store_failures_total", by="cause"), "{{cause}}"),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
    ]


def updates() -> list[Panel]:
    """Return the panels of leases and of what the store does not know yet."""
    return [
        graph(
            "Leases",
            "Running calls of callers with limits.",
            units.Short,
            query(gauge("tokenwire_limit_leases"), EACH),
        ),
        graph(
            "Updates that wait for the store",
            "Leases whose state the store does not know yet. While it is away their number grows.",
            units.Short,
            query(gauge("tokenwire_limit_updates_waiting"), EACH),
        ),
        colored(
            graph(
                "Lost updates",
                "Leases that were forgotten before the store had their last state, each second. "
                "What these calls used is missing in its counts.",
                units.CountsPerSecond,
                query(total("tokenwire_limit_updates_lost_total", by="instance, worker"), EACH),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
    ]


def records() -> list[Panel]:
    """Return the panels of usage records."""
    return [
        graph(
            "Usage records written",
            "With `TOKENWIRE_USAGE_FILE`: records that the disk has, each second.",
            units.CountsPerSecond,
            query(total("tokenwire_usage_records_written_total", by="instance, worker"), EACH),
            stacked=True,
        ),
        graph(
            "Usage records that wait",
            "Records that the disk does not have yet. They are lost if their queue is full.",
            units.Short,
            query(gauge("tokenwire_usage_records_queued"), EACH),
        ),
        colored(
            graph(
                "Lost usage records",
                "Calls that are missing from the usage records, each second, by reason.",
                units.CountsPerSecond,
                query(total("tokenwire_usage_records_lost_total", by="reason"), "{{reason}}"),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
    ]


def issuers() -> list[Panel]:
    """Return the panels of the issuers of tokens."""
    keys = gauge("tokenwire_issuer_keys_timestamp_seconds")
    return [
        graph(
            "Age of issuers' keys",
            "Time since the keys of an issuer were received, of the process in which they are "
            "oldest. They are fetched every 5 minutes. Processes that never had keys are missing.",
            units.Seconds,
            query(f"time() - min by (issuer) ({keys} > 0)", "{{issuer}}"),
        ),
        graph(
            "Processes without issuers' keys",
            "Processes that have never received the keys of an issuer, and accept no token of it.",
            units.Short,
            query(f"sum by (issuer) ({keys} == bool 0)", "{{issuer}}"),
        ),
        colored(
            graph(
                "Requests for issuers' keys",
                "Requests by issuer and result, each second. Keys of a file are not requested.",
                units.RequestsPerSecond,
                query(
                    total("tokenwire_issuer_fetches_total", by="issuer, result"),
                    "{{issuer}} {{result}}",
                ),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ).override_by_regexp("/ ok$/", shades(GREEN)),
    ]
