"""The model side: LangChain chat models behind `domain.ChatModel`.

It yields plain deltas and has never heard of gRPC calls.
"""

from tokenwire.model.build import build_model

__all__ = ["build_model"]
