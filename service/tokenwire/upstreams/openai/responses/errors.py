"""Maps the error of a response that the upstream had accepted to a failure."""

import re
from typing import Final

from tokenwire.core.errors import PromptRejected, PromptTooLong, ServiceError, UpstreamError
from tokenwire.upstreams.openai import error_body
from tokenwire.upstreams.openai.rejection import MAX_ERROR_BYTES, error_in_answer

TOO_LONG: Final = re.compile("^context_length_exceeded$", re.MULTILINE)
POLICY: Final = re.compile("^(invalid_prompt|content_filter|[a-z_]*policy[a-z_]*)$", re.MULTILINE)


def failure_of(data: bytes) -> ServiceError:
    """Return the failure for an error object.

    The responses API accepts a request before it has read the prompt, so unlike in a chat
    completion the error may be the caller's. Only its code decides that.

    Args:
        data: The JSON of the error object, or of an object around it.
    """
    failure = error_in_answer(data)
    if type(failure) is UpstreamError and len(data) <= MAX_ERROR_BYTES:
        kinds = error_body.read(data).kinds
        if TOO_LONG.search(kinds):
            return PromptTooLong()
        if POLICY.search(kinds):
            return PromptRejected()
    return failure
