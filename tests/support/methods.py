"""The unary methods with a request of each, for tests of what holds for all of them."""

from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from support.app import MODEL, Stub
from support.helpers import reason_of
from support.unary import error_of
from support.world import PROMPT, SYSTEM, assert_clean
from tokenwire.v1 import chatgpt_pb2 as pb


@dataclass(frozen=True)
class UnaryMethod:
    """A unary method.

    Attributes:
        name: The name of the method.
        request: A request whose texts contain canaries.
    """

    name: str
    request: Message

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/openai.Chatgpt/{self.name}"

    def call(self, stub: Stub, **options: Any) -> Any:
        """Start a call; `options` are gRPC's, such as `timeout`."""
        return getattr(stub, self.name)(self.request, **options)

    def __str__(self) -> str:
        return self.name


_MESSAGE: Final = pb.Message(content=PROMPT, system=SYSTEM)
ASK: Final = UnaryMethod("Ask", _MESSAGE)
COUNT_TOKENS: Final = UnaryMethod("CountTokens", _MESSAGE)
EMBED: Final = UnaryMethod("Embed", pb.EmbedRequest(texts=[PROMPT] * 100, user=SYSTEM))
LIST_MODELS: Final = UnaryMethod("ListModels", pb.ListModelsRequest())

ASKING: Final = (ASK, COUNT_TOKENS, EMBED)
"""The methods that ask the upstream in a server with SETTINGS."""
ALL: Final = (*ASKING, LIST_MODELS)

SETTINGS: Final = {"tokenizer": "vllm", "embedding_model": MODEL}
"""The settings with which every method works."""


async def failed(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that fails; nothing of its status has a canary."""
    error = await error_of(call)
    assert_clean(error.details(), error.trailing_metadata(), error.initial_metadata())
    return error.code(), reason_of(error)
