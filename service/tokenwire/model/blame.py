"""Which of an upstream's rejections the caller has caused."""

from tokenwire.domain import ChatRequest
from tokenwire.errors import (
    InvalidParameter,
    ServiceError,
    UnknownModel,
    UpstreamModelNotFound,
    UpstreamRejectedRequest,
)

NOT_ACCEPTED = "the upstream does not accept this value, or not with this model"


def blamed(failure: ServiceError, request: ChatRequest) -> ServiceError:
    """Return `failure`, or what it is where it is about something that the caller set."""
    if isinstance(failure, UpstreamModelNotFound) and "params.model" in request.set_by_caller:
        return UnknownModel()
    if isinstance(failure, UpstreamRejectedRequest):
        for field in failure.fields:
            if field in request.set_by_caller:
                return InvalidParameter(field, NOT_ACCEPTED)
    return failure
