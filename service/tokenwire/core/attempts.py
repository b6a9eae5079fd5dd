"""The record of the requests that are made to upstreams for one call."""

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from opentelemetry.trace import Span


class Cause(Enum):
    """Why a connection to the upstream failed: a fixed vocabulary that names no host.

    Attributes:
        meaning: For docs/metrics.md.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a member whose value is the first of the pair."""
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


@dataclass(slots=True)
class Attempts:
    """What happens between this service and its upstreams for one call.

    Times are readings of `time.monotonic`, in seconds; 0 means not yet, or not known.

    Attributes:
        asked: When the model was asked.
        sent: When the first request was handed to the HTTP client.
        read: When the bytes that brought the first text had been read.
        span: Covers all attempts; its trace goes on to the upstream.
        retries: Why requests were repeated: the reasons of the failures before.
        count: Requests of which at least the first byte was sent.
        failures: Why connections failed, in order; one for each at most.
        cause: Why the connection of the latest request failed, if it did.
        upstream_status: HTTP status of the latest response, or 0.
        upstream_request_id: The upstream's id of the latest response, or empty.
    """

    asked: float = 0.0
    sent: float = 0.0
    read: float = 0.0
    span: Span | None = None
    retries: list[str] = field(default_factory=list)
    count: int = 0
    failures: list[Cause] = field(default_factory=list)
    cause: Cause | None = None
    upstream_status: int = 0
    upstream_request_id: str = ""

    def asking(self) -> None:
        """Note that a request begins, whose response is not that of an earlier one."""
        self.sent = self.sent or time.monotonic()
        self.cause = None
        self.upstream_status = 0
        self.upstream_request_id = ""

    def failed(self, cause: Cause) -> None:
        """Note why a connection failed."""
        self.cause = cause
        self.failures.append(cause)

    def repeated(self, reason: str, after_seconds: float) -> None:
        """Note that a request failed for `reason` and will be repeated."""
        self.retries.append(reason)
        if self.span:
            self.span.add_event(
                "retry", {"error.type": reason, "tokenwire.retry.delay_seconds": after_seconds}
            )
