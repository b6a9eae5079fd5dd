"""The types that all other packages share. This package imports no gRPC, LangChain or HTTP code."""
