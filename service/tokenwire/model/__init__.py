"""The model side: LangChain chat models behind `domain.ChatModel`.

It yields plain deltas and has never heard of gRPC calls.
"""

from tokenwire.model.build import build_model
from tokenwire.model.provider import provider_name

__all__ = ["build_model", "provider_name"]
