"""A LangChain chat model that asks a tokenwire server.

    from tokenwire_client.langchain import ChatTokenwire

    model = ChatTokenwire(target="localhost:50051")
    print(model.invoke("Why is the sky blue?").text)

It needs langchain-core: `pip install "tokenwire-client[langchain]"`.
"""

try:
    import langchain_core as _langchain_core
except ImportError as error:
    raise ImportError(
        'tokenwire_client.langchain needs langchain-core; pip install "tokenwire-client[langchain]"'
    ) from error

from tokenwire_client.langchain.chat_model import ChatTokenwire
from tokenwire_client.langchain.errors import (
    TokenwireAPIError,
    TokenwireAuthenticationError,
    TokenwireConnectionError,
    TokenwireContextOverflowError,
    TokenwireInvalidRequestError,
    TokenwireModelNotFoundError,
    TokenwirePermissionDeniedError,
    TokenwireRateLimitError,
    TokenwireTimeoutError,
)

__all__ = [
    "ChatTokenwire",
    "TokenwireAPIError",
    "TokenwireAuthenticationError",
    "TokenwireConnectionError",
    "TokenwireContextOverflowError",
    "TokenwireInvalidRequestError",
    "TokenwireModelNotFoundError",
    "TokenwirePermissionDeniedError",
    "TokenwireRateLimitError",
    "TokenwireTimeoutError",
]
del _langchain_core
