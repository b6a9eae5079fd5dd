"""Attributes an upstream's rejection to the caller whose parameter caused it."""

from tokenwire.core.errors import (
    InvalidParameter,
    ServiceError,
    UnknownModel,
    UpstreamModelNotFound,
    UpstreamRejectedRequest,
)

PARAMS = "params."
MODEL_FIELDS = ("params.model", "model")
"""The fields of a model's name in requests with and without `Params`. The names of other fields
differ by PARAMS in the same way."""
REJECTED_VALUE = "the upstream does not accept this value, or not with this model"


def attribute(failure: ServiceError, set_by_caller: frozenset[str]) -> ServiceError:
    """Return the caller's error if the caller's parameter caused `failure`, or else `failure`.

    Args:
        failure: The failure that the upstream reported.
        set_by_caller: See `ChatRequest`.
    """
    if isinstance(failure, UpstreamModelNotFound):
        for field in MODEL_FIELDS:
            if field in set_by_caller:
                return UnknownModel(field)
    if isinstance(failure, UpstreamRejectedRequest):
        for found in failure.fields:
            for field in (found, found.removeprefix(PARAMS)):
                if field in set_by_caller:
                    return InvalidParameter(field, REJECTED_VALUE)
        for name in failure.members:
            if name in set_by_caller:
                return InvalidParameter(name, REJECTED_VALUE)
    return failure
