"""Generates docs/errors.md, with the table of failures."""

import inspect
from pathlib import Path
from typing import Final

from documents import code, table, write
from tokenwire.api.codes import code_of
from tokenwire.core import errors
from tokenwire.core.errors import DOMAIN, CallerError, ServiceError, UpstreamError

GROUPS: Final = {
    "The request": CallerError,
    "The upstream": UpstreamError,
    "This service": ServiceError,
}

INTRODUCTION: Final = f"""\
# Errors

A failed call of a method of `openai.Chatgpt` ends with a gRPC status. Its text is fixed, followed
by the id of the request. Its details (`grpc-status-details-bin`) are for programs:

- `google.rpc.ErrorInfo` with the domain `{DOMAIN}` and one of the reasons below.
- `google.rpc.RetryInfo` with the time to wait before a retry, where it is known. The trailer
  `grpc-retry-pushback-ms` has the same value for gRPC's own [retry policy](retries.md). It is -1
  where the code is UNAVAILABLE or RESOURCE_EXHAUSTED and a retry does not help: the column *Retry*
  says no, or the call is larger than a limit of the caller.
- `google.rpc.QuotaFailure` with the name of the limit, such as `tokens/m`, where a
  [limit of the caller](callers.md#limits) is reached.
- `google.rpc.BadRequest` with the path of the invalid field and what is allowed, where a field is
  invalid.

The status depends on whether the model has begun to answer: the first token is the first piece of
text or of reasoning, shown to the caller or not. Before it most failures that may pass are
UNAVAILABLE, and a client's retry policy may act on them. After it the same failure is ABORTED,
because a retry would repeat a part of the answer and cost twice. Of `CountTokens` and `Embed` the
first token is the first byte of the upstream's response that is not white space. If the caller has
received an `Answer`, a last one has the reason in its field `error` too, for clients that read only
messages.

The trailer `x-request-id` holds the request's id: the one that the caller sent under that name, or
a new one. The log line of the call has it too.

Methods of [further protocols](clients.md) fail in the same way. They name fields as their protocol
does, have no message for a failure, and the trailer `grpc-retry-pushback-ms` of `xai_api` is -1
also where a call is UNAVAILABLE for an unknown time, unless the server stops.

Two codes have no reason of tokenwire's: CANCELLED means that the caller left, and
DEADLINE_EXCEEDED that the caller's own deadline passed. There is one exception: a call that begins
in the very moment in which a stopping server closes its listener can end with CANCELLED, without a
token, although its caller has not left. gRPC's core cancels calls that it has accepted and not
handed over. Such a call has not reached the upstream, so it can be repeated; a retry policy for
UNAVAILABLE does not do so.
"""

HEAD: Final = (
    "Reason",
    "Code before the first token",
    "Code after it",
    "When",
    "Text",
    "Retry",
    "Who acts",
)


def errors_doc(root: Path) -> None:
    """Write docs/errors.md."""
    parts = [f"## {title}\n\n{rows}" for title, rows in error_tables().items()]
    write(root / "docs" / "errors.md", "service/tokenwire/core/errors.py", INTRODUCTION, *parts)


def error_tables() -> dict[str, str]:
    """Return the failures as Markdown tables, by the title of their group."""
    groups: dict[str, list[tuple[str, ...]]] = {title: [] for title in GROUPS}
    for kind in vars(errors).values():
        # A class without a reason is only a base class.
        if isinstance(kind, type) and issubclass(kind, ServiceError) and "reason" in vars(kind):
            title = next(title for title, base in GROUPS.items() if issubclass(kind, base))
            groups[title].append(_row(kind))
    return {title: table(HEAD, rows) for title, rows in groups.items()}


def _row(kind: type[ServiceError]) -> tuple[str, ...]:
    when = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return (
        code(kind.reason),
        code_of(kind).name,
        code_of(kind, begun=True).name,
        when,
        kind.text,
        "yes" if kind.retryable else "no",
        f"the {kind.blame}" if kind.blame != "service" else "this service",
    )
