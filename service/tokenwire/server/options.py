"""gRPC's options for the server: limits of connections, streams and messages, in gRPC's terms."""

from typing import Final, TypeAlias

from tokenwire.config import Settings

Options: TypeAlias = tuple[tuple[str, int], ...]

FIXED: Final = (
    # The default turns callers away with CANCELLED when thousands connect at once.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    # Callers may ping this often to keep an idle connection through load balancers.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_metadata_size", 16_384),
    # By default calls that the server has not taken for 30 s are cancelled, without a status.
    ("grpc.server_max_unrequested_time_in_server", 3_600),
)
DEALLOCATING_STREAMS: Final = 20
"""Streams beyond as many as a connection may have, that may have ended and not yet gone."""


def server_options(settings: Settings, *, share_port: bool) -> Options:
    """Return the options of a server.

    Args:
        settings: All that can be set.
        share_port: Whether other servers may listen on the same port.
    """
    streams = settings.max_streams_per_connection
    return (
        *FIXED,
        # By default a second server on the same port starts silently and takes half the calls.
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_concurrent_streams", streams),
        # A stream counts until this process has let go of its call, so that a caller who begins
        # and cancels calls faster than they are taken is refused. Without room for those that
        # are about to go, so is one with as many calls as allowed, without a status of ours.
        ("grpc.http.overload_protection", 1),
        ("grpc.http2.max_deallocating_streams", streams + DEALLOCATING_STREAMS),
        *_connection_age(settings),
        ("grpc.keepalive_time_ms", round(settings.keepalive_seconds * 1_000)),
        # Not grpc.keepalive_timeout_ms: with data outstanding this one decides.
        ("grpc.http2.ping_timeout_ms", round(settings.keepalive_timeout_seconds * 1_000)),
    )


def _connection_age(settings: Settings) -> Options:
    """Return the options by which connections end some day, and no answer with them."""
    # An answer may begin just before its connection is asked to end.
    grace = settings.stream_timeout_seconds + settings.request_timeout_seconds
    grace += settings.reader_timeout_seconds
    return (
        ("grpc.max_connection_age_ms", round(settings.connection_age_seconds * 1_000)),
        ("grpc.max_connection_age_grace_ms", round(grace * 1_000)),
    )
