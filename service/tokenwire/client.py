"""The earlier name of `tokenwire_client`, for one release."""

import warnings

from tokenwire_client import (
    Answer,
    AnswerStream,
    ChatError,
    Client,
    FinishReason,
    Role,
    Turn,
    Usage,
)

__all__ = [
    "Answer",
    "AnswerStream",
    "ChatError",
    "Client",
    "FinishReason",
    "Role",
    "Turn",
    "Usage",
]

warnings.warn(
    "tokenwire.client is tokenwire_client now, of the distribution tokenwire-client; "
    "this name goes away with the next release",
    DeprecationWarning,
    stacklevel=2,
)
