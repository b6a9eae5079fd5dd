"""Types of the fixtures in tests/conftest.py that start servers and clients."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2_grpc

MODEL = "demo-model"

StartApp: TypeAlias = Callable[..., Awaitable[App]]
Stub: TypeAlias = "chatgpt_pb2_grpc.ChatgptAsyncStub"
