"""The names of the metrics' labels and all values that they can have."""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from tokenwire.core import errors

METHOD: Final = ("grpc_type", "grpc_service", "grpc_method")
CODE: Final = "grpc_code"
MODEL: Final = "gen_ai_request_model"
GEN_AI: Final = ("gen_ai_operation_name", "gen_ai_provider_name", MODEL)
"""The labels that OpenTelemetry's conventions require for every GenAI metric."""
TOKEN_TYPE: Final = "gen_ai_token_type"  # noqa: S105 - no secret
ERROR_TYPE: Final = "error_type"
REASON: Final = "reason"
CAUSE: Final = "cause"
OUTCOME: Final = "outcome"
FINISH_REASON: Final = "finish_reason"
PHASE: Final = "phase"
CERTIFICATE: Final = "certificate"
RESULT: Final = "result"
ROUTE: Final = "route"
UPSTREAM: Final = "upstream"
CALLER: Final = "caller"
ISSUER: Final = "issuer"
LIMIT: Final = "limit"
"""A limit of a caller, by its name, such as `tokens/m`."""
GATEWAY_MODEL: Final = "model"
"""A model of the gateway file, by its name."""

OTHER_MODEL: Final = "other"
"""The label of every model that the settings do not name; it bounds the number of series."""
NO_ERROR: Final = ""
"""The error type of successful calls; Prometheus treats an empty label as absent."""


class Outcome(Enum):
    """How a call ended, for alerts and dashboards; each call has exactly one outcome."""

    OK = "ok"
    ERROR = "error"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"


class Phase(Enum):
    """How far a call had progressed when its caller left."""

    WAITING = "before_first_token"
    STREAMING = "streaming"


class TokenType(Enum):
    """The kind of a counted token."""

    INPUT = "input"
    OUTPUT = "output"
    CACHED = "cached"
    REASONING = "reasoning"
    CACHE_WRITE = "cache_write"
    INPUT_AUDIO = "input_audio"
    OUTPUT_AUDIO = "output_audio"


class CertificateUse(Enum):
    """What a certificate is for."""

    SERVER = "server"
    CLIENT_CA = "client_ca"


class RouteResult(Enum):
    """How a request on a route ended.

    Attributes:
        OK: The answer began, and did not break off.
        ERROR: The upstream failed.
        OTHER: The request says nothing of the upstream: the caller left, or caused the failure.
    """

    OK = "ok"
    ERROR = "error"
    OTHER = "other"


class ReloadResult(Enum):
    """Whether replaced TLS files could be used."""

    OK = "ok"
    ERROR = "error"


class IssuerFetchResult(Enum):
    """How a request for the keys of a token issuer ended.

    Attributes:
        OK: The keys were received.
        TIMEOUT: The issuer did not answer in time.
        UNREACHABLE: No connection, or it broke.
        TLS: The certificate is not valid for the name or the authorities.
        STATUS: A status other than 200; redirects are not followed.
        TOO_LARGE: The response is larger than its limit.
        INVALID: The response is not the document that it should be.
        TOKEN_FILE: The token for the issuer's server cannot be read.
    """

    OK = "ok"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    STATUS = "status"
    TOO_LARGE = "too_large"
    INVALID = "invalid"
    TOKEN_FILE = "token_file"  # noqa: S105 - no secret


class StoreFailureCause(Enum):
    """Why the store of callers' limits could not be used.

    Attributes:
        TIMEOUT: It did not answer in time.
        UNREACHABLE: No connection, or it broke.
        TLS: The handshake failed, or its certificate is not valid.
        CREDENTIALS: It does not accept the user or password, or the user may not do this.
        REJECTED: It answered with another error: it is read-only, loads its data, or is full.
        INVALID: Its answer is not one of its protocol.
    """

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    CREDENTIALS = "credentials"
    REJECTED = "rejected"
    INVALID = "invalid"


class SpanDropReason(Enum):
    """Why a span was not exported.

    Attributes:
        EXPORT: The exporter failed.
        QUEUE: The queue was full.
    """

    EXPORT = "export"
    QUEUE = "queue"


class UsageLossReason(Enum):
    """Why a usage record was lost.

    Attributes:
        QUEUE: The queue was full.
        SHUTDOWN: The process ended before the disk had the record.
    """

    QUEUE = "queue"
    SHUTDOWN = "shutdown"


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
"""Failures of upstream requests that the caller did not cause."""

CALLERS_REASONS: Final = frozenset(kind.reason for kind in FAILURES if kind.blame == "caller")
"""Failures that the caller's request, or its reading, caused."""

NOT_ACCEPTED: Final = frozenset(
    kind.reason for kind in (errors.ServerOverloaded, errors.ServerShuttingDown)
)
"""Failures of calls that the service did not accept, unless the model was already asked."""
