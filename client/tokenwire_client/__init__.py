"""A client for tokenwire: send a message, read the answer while it is written.

    from tokenwire_client import Client

    async with Client("localhost:50051") as client:
        async for answer in client.send("Why is the sky blue?"):
            print(answer.content, end="")

Needs grpcio, protobuf and googleapis-common-protos, nothing else.
"""

from tokenwire_client.client import Client
from tokenwire_client.errors import ChatError
from tokenwire_client.stream import AnswerStream
from tokenwire_client.v1.chatgpt_pb2 import Answer, FinishReason, Role, Turn, Usage
from tokenwire_client.version import __version__

__all__ = [
    "Answer",
    "AnswerStream",
    "ChatError",
    "Client",
    "FinishReason",
    "Role",
    "Turn",
    "Usage",
    "__version__",
]
