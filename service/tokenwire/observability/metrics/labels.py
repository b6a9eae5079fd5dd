"""The labels of the metrics: their names and all the values that they can have."""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from tokenwire.core import errors

METHOD: Final = ("grpc_type", "grpc_service", "grpc_method")
CODE: Final = "grpc_code"
MODEL: Final = "gen_ai_request_model"
GEN_AI: Final = ("gen_ai_operation_name", "gen_ai_provider_name", MODEL)
"""What OpenTelemetry's conventions ask of every GenAI metric."""
DIRECTION: Final = "gen_ai_token_type"
ERROR_TYPE: Final = "error_type"
REASON: Final = "reason"
CAUSE: Final = "cause"
OUTCOME: Final = "outcome"
FINISH_REASON: Final = "finish_reason"
PHASE: Final = "phase"
CERTIFICATE: Final = "certificate"
RESULT: Final = "result"

CHAT: Final = "chat"
"""OpenTelemetry's name for what `Send` does."""
OTHER_MODEL: Final = "other"
"""Label of every model that the settings do not name, so that series stay bounded."""
NO_ERROR: Final = ""
"""Label of calls that ended well, which to Prometheus is the same as none."""


class Outcome(Enum):
    """How a call ended, for who is on call. Every call has exactly one."""

    OK = "ok"
    ERROR = "error"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"


class Phase(Enum):
    """How far a call had come when its caller left."""

    WAITING = "before_first_token"
    STREAMING = "streaming"


class TokenType(Enum):
    """What a token was for."""

    INPUT = "input"
    OUTPUT = "output"
    CACHED = "cached"
    REASONING = "reasoning"


class CertificateUse(Enum):
    """What a certificate is for."""

    SERVER = "server"
    CLIENT_CA = "client_ca"


class Reload(Enum):
    """What came of replaced files."""

    OK = "ok"
    ERROR = "error"


class Dropped(Enum):
    """Why a span was not exported."""

    EXPORT = "export"
    QUEUE = "queue"


def _kinds(of: type[errors.ServiceError]) -> Iterator[type[errors.ServiceError]]:
    for kind in of.__subclasses__():
        if hasattr(kind, "reason"):
            yield kind
        yield from _kinds(kind)


FAILURES: Final = tuple(sorted(_kinds(errors.ServiceError), key=lambda kind: kind.reason))

UPSTREAM_REASONS: Final = frozenset(
    kind.reason
    for kind in FAILURES
    if issubclass(kind, errors.UpstreamError) and kind.blame != "caller"
)
"""Failures of requests to the upstream that are no fault of the caller's."""

CALLERS_REASONS: Final = frozenset(kind.reason for kind in FAILURES if kind.blame == "caller")
"""Failures that the request or its reader caused."""

TURNED_AWAY: Final = frozenset(
    kind.reason for kind in (errors.ServerOverloaded, errors.ServerShuttingDown)
)
"""Failures of calls that the service did not take, unless the model was asked already."""
