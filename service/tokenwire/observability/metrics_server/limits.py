"""The bounds of the metrics port."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one process spends on whoever reaches its metrics port.

    Attributes:
        connections: Open at once; one that waits for its peer makes room for a new one.
        request_seconds: How long a request's line and headers may take.
        response_seconds: How long a peer may take to read a response.
        wait_seconds: How long a scrape may wait for those before it and its own text.
        line_bytes: The longest request line, and the longest header.
        headers: The most headers.
        render_share: The most of one core that rendering takes, whatever is asked.
        stuck_seconds: How late the event loop may be before /healthz says so.
        stop_seconds: How long `stop` waits for responses under way.
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
