"""Stubs generated from proto/tokenwire/v1/chatgpt.proto by `make generate`."""
