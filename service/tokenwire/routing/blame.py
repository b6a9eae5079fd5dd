"""Attributes an upstream's rejection to the caller whose parameter caused it."""

from tokenwire.core.errors import (
    InvalidParameter,
    ServiceError,
    UnknownModel,
    UpstreamModelNotFound,
    UpstreamRejectedRequest,
)

REJECTED_VALUE = "the upstream does not accept this value, or not with this model"


def attribute(failure: ServiceError, set_by_caller: frozenset[str]) -> ServiceError:
    """Return the caller's error if the caller's parameter caused `failure`, or else `failure`.

    Args:
        failure: The failure that the upstream reported.
        set_by_caller: See `ChatRequest`.
    """
    if isinstance(failure, UpstreamModelNotFound) and "params.model" in set_by_caller:
        return UnknownModel()
    if isinstance(failure, UpstreamRejectedRequest):
        for field in failure.fields:
            if field in set_by_caller:
                return InvalidParameter(field, REJECTED_VALUE)
    return failure
