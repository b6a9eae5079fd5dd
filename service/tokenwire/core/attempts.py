"""The record of the requests sent to upstreams on behalf of one call."""

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

from opentelemetry.trace import Span


class Cause(Enum):
    """Why a connection to the upstream failed. The values are fixed and never contain a host name.

    Attributes:
        meaning: The description in docs/metrics.md.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Return a member with the given value and meaning."""
        member = object.__new__(cls)
        member._value_ = value
        member.meaning = meaning
        return member

    REFUSED = "connection_refused", "Nothing listens at the upstream's address."
    DNS = "dns", "The upstream's name does not resolve."
    TLS = "tls", "The TLS handshake fails, or the certificate is not trusted."
    CONNECT_TIMEOUT = (
        "connect_timeout",
        "Connecting takes longer than `TOKENWIRE_CONNECT_TIMEOUT_SECONDS`.",
    )
    NO_ROUTE = "no_route", "The network or the host cannot be reached from here."
    NO_LOCAL_ADDRESS = (
        "no_local_address",
        "This host has no address or no free port to connect from.",
    )
    PROXY = "proxy", "The proxy refuses to connect to the upstream."
    RESET = "reset", "The connection is reset before the end of the response."
    EOF = "eof", "The connection is closed before the end of the response."
    NOT_HTTP = "not_http", "What the upstream sends is not an HTTP response."
    STALE = (
        "stale_connection",
        "A reused connection dies before any byte of the response; the request is repeated.",
    )
    DESCRIPTORS = "file_descriptors", "This process, or its host, has no file descriptor left."
    THREADS = "threads", "This process cannot start a thread."
    MEMORY = "memory", "The kernel has no memory for another connection."
    OTHER = "other", "None of these."


ONLY_UPSTREAM: Final = "default"
"""The name of the upstream if there is no gateway file."""


@dataclass(slots=True)
class Attempts:
    """The upstream requests of one call.

    Times are `time.monotonic` values in seconds; 0 means that the event has not happened or that
    its time is unknown.

    Attributes:
        upstream: The name of the upstream.
        first_token_by: When the latest request must have brought a token; 0: by the upstream's
            own timeout.
        idle_seconds: The timeout for the next token of the latest request; 0: the upstream's own.
        started: When the model was called.
        first_sent: When the first request was passed to the HTTP client.
        first_read: When the bytes of the first text were read from the connection.
        received: Whether the model has begun to answer: text, reasoning or a piece of a tool call
            has arrived. The request is paid for from then on, so nobody may repeat it without
            being told.
        span: The span that covers all attempts. Its context is propagated to the upstream.
        request_span: The span of the latest request on a route, whose context is propagated then;
            None without routes, and if the call is not sampled.
        retries: The reason of each failure that led to a retry, in order.
        count: The number of requests of which at least one byte was sent.
        failures: The cause of each failed connection, in order.
        cause: Why the connection of the latest request failed; None if it did not.
        upstream_status: The HTTP status of the latest response, or 0.
        upstream_request_id: The id that the upstream gave the latest response, or empty.
    """

    upstream: str = ONLY_UPSTREAM
    first_token_by: float = 0.0
    idle_seconds: float = 0.0
    started: float = 0.0
    first_sent: float = 0.0
    first_read: float = 0.0
    received: bool = False
    span: Span | None = None
    request_span: Span | None = None
    retries: list[str] = field(default_factory=list)
    count: int = 0
    failures: list[Cause] = field(default_factory=list)
    cause: Cause | None = None
    upstream_status: int = 0
    upstream_request_id: str = ""

    def begin_request(self) -> None:
        """Record the start of a request, and clear the outcome of the previous one."""
        self.first_sent = self.first_sent or time.monotonic()
        self.cause = None
        self.upstream_status = 0
        self.upstream_request_id = ""

    def add_failure(self, cause: Cause) -> None:
        """Record why a connection failed."""
        self.cause = cause
        self.failures.append(cause)

    def add_retry(self, reason: str, after_seconds: float) -> None:
        """Record that a request failed for `reason` and is retried after `after_seconds`."""
        self.retries.append(reason)
        if self.span:
            self.span.add_event(
                "retry", {"error.type": reason, "tokenwire.retry.delay_seconds": after_seconds}
            )
