"""The unary methods with a request of each, for tests of what holds for all of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import pytest
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
        settings: The settings with which the method asks the upstream.
        variant: What tells the method from another of the same name.
    """

    name: str
    request: Message
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    variant: str = ""

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/openai.Chatgpt/{self.name}"

    def call(self, stub: Stub, **options: Any) -> Any:
        """Start a call; `options` are gRPC's, such as `timeout`."""
        return getattr(stub, self.name)(self.request, **options)

    def __str__(self) -> str:
        return self.name + self.variant


_MESSAGE: Final = pb.Message(content=PROMPT, system=SYSTEM)
_TEXTS: Final = pb.EmbedRequest(texts=[PROMPT] * 100, user=SYSTEM)
ASK: Final = UnaryMethod("Ask", _MESSAGE)
COUNT_TOKENS: Final = UnaryMethod("CountTokens", _MESSAGE, {"tokenizer": "vllm"})
EMBED: Final = UnaryMethod("Embed", _TEXTS, {"embedding_model": MODEL})
LIST_MODELS: Final = UnaryMethod("ListModels", pb.ListModelsRequest())
ESTIMATE: Final = UnaryMethod("CountTokens", _MESSAGE, variant="-estimate")

JSON: Final = (COUNT_TOKENS, EMBED)
"""The methods to which the upstream's response is one JSON document."""
ASKING: Final = (ASK, *JSON)
"""The methods that ask the upstream in a server with their settings."""
ALL: Final = (*ASKING, LIST_MODELS)

SETTINGS: Final = {name: value for each in ALL for name, value in each.settings.items()}
"""The settings of all methods together."""


def each_of(methods: Iterable[UnaryMethod]) -> pytest.MarkDecorator:
    """Parametrise a test by methods."""
    return pytest.mark.parametrize("method", methods, ids=str)


async def failed(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of a call that fails; nothing of its status has a canary."""
    error = await error_of(call)
    assert_clean(error.details(), error.trailing_metadata(), error.initial_metadata())
    return error.code(), reason_of(error)
