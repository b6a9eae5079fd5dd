"""Which of an upstream's rejections the caller has caused."""

from tokenwire.core.errors import (
    InvalidParameter,
    ServiceError,
    UnknownModel,
    UpstreamModelNotFound,
    UpstreamRejectedRequest,
)

NOT_ACCEPTED = "the upstream does not accept this value, or not with this model"


def blamed(failure: ServiceError, set_by_caller: frozenset[str]) -> ServiceError:
    """Return `failure`, or what it is where it is about something that the caller set.

    Args:
        failure: An upstream's.
        set_by_caller: See `ChatRequest`.
    """
    if isinstance(failure, UpstreamModelNotFound) and "params.model" in set_by_caller:
        return UnknownModel()
    if isinstance(failure, UpstreamRejectedRequest):
        for field in failure.fields:
            if field in set_by_caller:
                return InvalidParameter(field, NOT_ACCEPTED)
    return failure
