"""Language models as `chat_model.ChatModel`.

This package yields domain events and imports no gRPC code.
"""

from tokenwire.upstreams.build import Models, build_models
from tokenwire.upstreams.provider import provider_name

__all__ = ["Models", "build_models", "provider_name"]
