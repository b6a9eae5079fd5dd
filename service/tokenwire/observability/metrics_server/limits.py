"""The limits of the metrics port."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds the resources that clients of the metrics port can use.

    Attributes:
        connections: The most open connections. At the limit, a connection that waits for its
            peer is dropped for a new one.
        request_seconds: The most seconds to receive the request line and headers.
        response_seconds: The most seconds for the peer to read the response.
        wait_seconds: The most seconds that a scrape waits for earlier scrapes and its own text.
        line_bytes: The most bytes of the request line, and of each header.
        headers: The most headers of a request.
        render_share: The most of one core that rendering uses, from 0 to 1.
        stuck_seconds: The event-loop lag in seconds above which /healthz returns 503.
        stop_seconds: The most seconds that `stop` waits for responses in flight.
    """

    connections: int = 32
    request_seconds: float = 5.0
    response_seconds: float = 10.0
    wait_seconds: float = 15.0
    line_bytes: int = 8_190
    headers: int = 64
    render_share: float = 0.25
    stuck_seconds: float = 30.0
    stop_seconds: float = 1.0
