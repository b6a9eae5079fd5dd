"""The meanings of the metrics' labels, for docs/metrics.md."""

from collections.abc import Iterable
from typing import Final

from documents import code, table
from tokenwire.core.attempts import Cause
from tokenwire.observability.metrics import OTHER_MODEL, labels
from tokenwire.observability.metrics.labels import IssuerFetchResult, Outcome, StoreFailureCause

LABELS: Final = {
    labels.MODEL: "One of the models that `TOKENWIRE_MODEL`, `TOKENWIRE_MODELS`, "
    f"`TOKENWIRE_EMBEDDING_MODEL` and `TOKENWIRE_PRICES` name, and `{OTHER_MODEL}` for every "
    "other model and for calls that failed before their model was known; callers cannot create "
    "series.",
    "gen_ai_provider_name": "OpenTelemetry's name of `TOKENWIRE_PROVIDER`.",
    labels.TOKEN_TYPE: "`input` and its parts `cached`, `cache_write` and `input_audio`, or "
    "`output` and its parts `reasoning` and `output_audio`.",
    labels.ERROR_TYPE: "Empty for calls that ended with OK, otherwise as `reason`.",
    labels.CODE: "Name of the gRPC status code.",
    "grpc_service": "`openai.Chatgpt`, or a service of `TOKENWIRE_PROTOCOLS`.",
    labels.REASON: "One of [the reasons of failures](errors.md), or `CANCELLED` or "
    "`DEADLINE_EXCEEDED`. Of spans: `export` if the collector did not accept them, `queue` if too "
    "many waited to be exported. Of log lines: `queue` if they were not read fast enough, `write` "
    "if they could not be written, `rate` if a library logged too many. Of usage records: "
    "`queue` if too many waited for the disk, `shutdown` if the process ended before the disk had "
    "them. Of connections to the metrics port: `limit` or `timeout`.",
    labels.CAUSE: "See below; the log's field `cause` has the same values. Of the store of "
    f"limits: {', '.join(code(each.value) for each in StoreFailureCause)}, see "
    "[the runbook](runbook.md#tokenwirelimitstoreaway).",
    labels.FINISH_REASON: "`stop`, `length`, `tool_calls` or `other`.",
    labels.PHASE: "`before_first_token` or `streaming`.",
    labels.CERTIFICATE: "`server`, the certificate that callers receive, or `client_ca`, the "
    "authorities of callers.",
    labels.RESULT: "`ok` or `error`. Of requests on a route also `other`: the caller left, or "
    "caused the failure. Of requests for keys: "
    f"{', '.join(code(each.value) for each in IssuerFetchResult)}, see [callers.md](callers.md).",
    labels.CALLER: "The caller's name in the gateway file.",
    labels.LIMIT: "A limit of the caller by its name: `streams`, or what is counted and its "
    "period, such as `tokens/m` or `dollars/month`.",
    labels.ISSUER: "The issuer's name in the gateway file.",
    labels.ROUTE: "`UPSTREAM/MODEL`, as in the gateway file.",
    labels.UPSTREAM: "The upstream's name in the gateway file.",
    labels.GATEWAY_MODEL: "The model's name in the gateway file, not one of its aliases.",
    labels.OUTCOME: "Each call has one; see below.",
    "version": "Version of tokenwire.",
    "python": "Version of Python.",
}

OUTCOMES: Final = {
    Outcome.OK: "The status is OK: the answer was complete.",
    Outcome.CANCELLED: "The caller cancelled the call, or its connection was lost. Not an error "
    "of the service.",
    Outcome.DEADLINE: "The caller's own deadline passed. Not an error of the service; before the "
    "first token it counts as a late first token, if the model had been asked.",
    Outcome.REJECTED: "The caller's request or its reading was at fault "
    f"({', '.join(map(code, sorted(labels.CALLERS_REASONS)))}), or the service accepted no more "
    f"calls ({', '.join(map(code, sorted(labels.NOT_ACCEPTED)))}, if the model was not asked yet).",
    Outcome.ERROR: "Everything else: the service or its upstream failed. Availability is "
    "`ok / (ok + error)`.",
}


def label_table(names: Iterable[str]) -> str:
    """Return the labels with these names, and their values, as a Markdown table."""
    meanings = LABELS | _method_labels()
    return table(("Label", "Values"), [(code(name), meanings[name]) for name in names])


def _method_labels() -> dict[str, str]:
    # Imported here because the service needs the stubs, which are generated first.
    from tokenwire.api.chatgpt.service import METHODS  # noqa: PLC0415

    return {
        "grpc_type": _alternatives(method.type.value for method in METHODS),
        "grpc_method": _alternatives(method.name for method in METHODS),
        "gen_ai_operation_name": _alternatives(
            method.operation for method in METHODS if method.operation
        ),
    }


def _alternatives(values: Iterable[str]) -> str:
    *others, last = map(code, dict.fromkeys(values))
    return f"{', '.join(others)} or {last}." if others else f"Always {last}."


def cause_table() -> str:
    """Return the causes of failed connections and their meanings as a Markdown table."""
    rows = [(code(cause.value), cause.meaning) for cause in Cause]
    return table(("Cause", "Meaning"), rows)


def outcome_table() -> str:
    """Return the outcomes of calls and their meanings as a Markdown table."""
    rows = [(code(outcome.value), meaning) for outcome, meaning in OUTCOMES.items()]
    return table(("Outcome", "Calls"), rows)
