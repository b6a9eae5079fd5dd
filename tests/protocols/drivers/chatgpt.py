"""The methods of openai.Chatgpt."""

from typing import Final

from protocols.drivers.base import IMAGE_URL, ProtocolMethod, Role, Wanted
from support import methods
from support.world import SYSTEM
from tokenwire.v1 import chatgpt_pb2 as pb

SERVICE: Final = "openai.Chatgpt"
SETTINGS: Final = methods.SETTINGS
FIELDS: Final = {
    "content": "content",
    "model": "params.model",
    "temperature": "params.temperature",
    "stops": "params.stop",
    "turns": "history",
    "tools": "tools",
    "image": "parts",
}


def message(wanted: Wanted) -> bytes:
    """Return a Message."""
    params = pb.Params(
        model=wanted.model, temperature=wanted.temperature, stop=["x"] * wanted.stops
    )
    request = pb.Message(
        content=wanted.content,
        system=SYSTEM,
        params=params,
        history=[pb.Turn(role=pb.ROLE_USER, content="x")] * wanted.turns,
        tools=[pb.Tool(name=f"tool-{number}") for number in range(wanted.tools)],
        parts=[pb.Part(url=IMAGE_URL)] * wanted.image,
    )
    return request.SerializeToString()


def texts(wanted: Wanted) -> bytes:
    """Return an EmbedRequest."""
    return pb.EmbedRequest(texts=[wanted.content], model=wanted.model).SerializeToString()


def text_of(answer: bytes) -> str:
    """Return the text of an Answer."""
    return pb.Answer.FromString(answer).content


def finish_of(answer: bytes) -> str:
    """Return the finish reason of an Answer."""
    reason = pb.Answer.FromString(answer).finish_reason
    return pb.FinishReason.Name(reason).removeprefix("FINISH_REASON_") if reason else ""


METHODS: Final = (
    ProtocolMethod(
        SERVICE, "Send", Role.ANSWER, message, text_of, finish_of, fields=FIELDS, streams=True
    ),
    ProtocolMethod(SERVICE, "Ask", Role.ANSWER, message, text_of, finish_of, fields=FIELDS),
    ProtocolMethod(SERVICE, "CountTokens", Role.DOCUMENT, message, fields=FIELDS),
    ProtocolMethod(SERVICE, "Embed", Role.DOCUMENT, texts, fields={"model": "model"}),
    ProtocolMethod(SERVICE, "ListModels", Role.LOCAL, lambda _: b""),
)
