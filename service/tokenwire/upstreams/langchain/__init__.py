"""LangChain's chat models: those that are held to the failure table, and any other."""

from tokenwire.upstreams.langchain.model import LangChainModel

__all__ = ["LangChainModel"]
