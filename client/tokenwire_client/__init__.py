"""The Python client of tokenwire. It sends a message and streams the answer.

    from tokenwire_client import Client

    async with Client("localhost:50051") as client:
        async for answer in client.send("Why is the sky blue?"):
            print(answer.content, end="")

It depends on grpcio, protobuf and googleapis-common-protos only.
"""

from tokenwire_client.client import Client
from tokenwire_client.errors import ChatError
from tokenwire_client.stream import AnswerStream
from tokenwire_client.sync_client import SyncClient
from tokenwire_client.sync_stream import SyncAnswerStream
from tokenwire_client.turns import answer_turn, result_turn
from tokenwire_client.v1.chatgpt_pb2 import (
    Ability,
    Answer,
    Choices,
    Citation,
    Detail,
    Effort,
    EmbedResponse,
    FinishReason,
    Format,
    JsonSchema,
    ListModelsResponse,
    Model,
    Part,
    Price,
    Progress,
    Reasoning,
    Role,
    Route,
    ServiceTier,
    TokenCount,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolChoice,
    Turn,
    Usage,
    Vector,
)
from tokenwire_client.version import __version__

__all__ = [
    "Ability",
    "Answer",
    "AnswerStream",
    "ChatError",
    "Choices",
    "Citation",
    "Client",
    "Detail",
    "Effort",
    "EmbedResponse",
    "FinishReason",
    "Format",
    "JsonSchema",
    "ListModelsResponse",
    "Model",
    "Part",
    "Price",
    "Progress",
    "Reasoning",
    "Role",
    "Route",
    "ServiceTier",
    "SyncAnswerStream",
    "SyncClient",
    "TokenCount",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "Turn",
    "Usage",
    "Vector",
    "__version__",
    "answer_turn",
    "result_turn",
]
