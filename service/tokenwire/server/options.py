"""The gRPC server options: limits on connections, streams and messages."""

from typing import Final, TypeAlias

from tokenwire.config import Settings

Options: TypeAlias = tuple[tuple[str, int], ...]

FIXED_OPTIONS: Final = (
    # With the defaults, calls fail with CANCELLED when thousands of callers connect at once.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    # Lets callers send a ping every 10 s, which keeps load balancers from closing idle connections.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_metadata_size", 16_384),
    # By default, gRPC cancels a call without a status if the server has not accepted it for 30 s.
    ("grpc.server_max_unrequested_time_in_server", 3_600),
)
DEALLOCATING_STREAMS: Final = 20
"""The streams per connection that may have ended and not been released, in addition to the limit of
open streams."""


def server_options(settings: Settings, *, share_port: bool) -> Options:
    """Return the options of a server.

    Args:
        settings: The settings of the process.
        share_port: Whether other servers may listen on the same port.
    """
    streams = settings.max_streams_per_connection
    return (
        *FIXED_OPTIONS,
        # By default, a second server starts on the same port without an error and receives half
        # of the calls.
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_concurrent_streams", streams),
        # A stream counts until the process releases its call, so a caller that starts and cancels
        # calls faster than they are accepted is rejected. Without room for streams that are being
        # released, a caller at the limit of open streams would be rejected too, without a status.
        ("grpc.http.overload_protection", 1),
        ("grpc.http2.max_deallocating_streams", streams + DEALLOCATING_STREAMS),
        *_connection_age(settings),
        ("grpc.keepalive_time_ms", round(settings.keepalive_seconds * 1_000)),
        # Not grpc.keepalive_timeout_ms, which does not apply while data is outstanding.
        ("grpc.http2.ping_timeout_ms", round(settings.keepalive_timeout_seconds * 1_000)),
    )


def _connection_age(settings: Settings) -> Options:
    """Return the options that limit the age of connections without interrupting answers."""
    # A call may begin just before its connection receives GOAWAY.
    grace = settings.stream_timeout_seconds + settings.request_timeout_seconds
    grace += settings.reader_timeout_seconds
    return (
        ("grpc.max_connection_age_ms", round(settings.connection_age_seconds * 1_000)),
        ("grpc.max_connection_age_grace_ms", round(grace * 1_000)),
    )
