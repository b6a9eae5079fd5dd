"""Language models: LangChain chat models as `chat_model.ChatModel`.

This package yields domain events and imports no gRPC code.
"""

from tokenwire.upstreams.build import build_model
from tokenwire.upstreams.provider import provider_name

__all__ = ["build_model", "provider_name"]
