"""The model side: LangChain chat models behind `domain.ChatModel`.

It yields plain deltas and has never heard of gRPC calls.
"""

from tokenwire.upstreams.build import build_model
from tokenwire.upstreams.provider import provider_name

__all__ = ["build_model", "provider_name"]
