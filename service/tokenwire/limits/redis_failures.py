"""The kinds of the failures of the Redis client."""

import ssl
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tokenwire.observability.metrics.labels import StoreFailureCause

# The first class of which an error is an instance counts.
CAUSES: Final[tuple[tuple[type[Exception], StoreFailureCause], ...]] = (
    (RedisTimeoutError, StoreFailureCause.TIMEOUT),
    (TimeoutError, StoreFailureCause.TIMEOUT),
    (AuthenticationError, StoreFailureCause.CREDENTIALS),
    (AuthenticationWrongNumberOfArgsError, StoreFailureCause.CREDENTIALS),
    (AuthorizationError, StoreFailureCause.CREDENTIALS),
    (NoPermissionError, StoreFailureCause.CREDENTIALS),
    (BusyLoadingError, StoreFailureCause.REJECTED),
    (ResponseError, StoreFailureCause.REJECTED),
    (InvalidResponse, StoreFailureCause.INVALID),
    (RedisConnectionError, StoreFailureCause.UNREACHABLE),
    (OSError, StoreFailureCause.UNREACHABLE),
)


def cause_of(error: Exception) -> StoreFailureCause:
    """Return the kind of a failure of the Redis client."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLError):
            return StoreFailureCause.TLS
        inner = inner.__cause__ or inner.__context__
    for kind, cause in CAUSES:
        if isinstance(error, kind):
            return cause
    return StoreFailureCause.INVALID
