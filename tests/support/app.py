"""The servers that the fixtures of tests/conftest.py start: how, and who calls them."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc

MODEL = "demo-model"

StartApp: TypeAlias = Callable[..., Awaitable[App]]
Stub: TypeAlias = "chatgpt_pb2_grpc.ChatgptAsyncStub"
