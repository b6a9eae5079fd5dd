"""How callers' connections end some day, and no answer with them."""

from tokenwire.settings import Settings


def connection_age(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options for it, in milliseconds."""
    # An answer may begin just before its connection is asked to end.
    grace = settings.stream_timeout_seconds + settings.request_timeout_seconds
    grace += settings.reader_timeout_seconds
    return (
        ("grpc.max_connection_age_ms", round(settings.connection_age_seconds * 1_000)),
        ("grpc.max_connection_age_grace_ms", round(grace * 1_000)),
    )
