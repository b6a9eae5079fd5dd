"""The methods of xAI's API."""

from typing import Final

from protocols.drivers.base import IMAGE_URL, ProtocolMethod, Role, Wanted
from support.app import MODEL
from support.world import SYSTEM
from support.xai import asked, function, image, said
from tokenwire.xai.v1 import xai_pb2 as pb

CHAT: Final = "xai_api.Chat"
MODELS: Final = "xai_api.Models"
FIELDS: Final = {
    "content": "messages[1].content",
    "model": "model",
    "temperature": "temperature",
    "stops": "stop",
    "turns": "messages",
    "tools": "tools",
    "image": "messages[1].content",
}
FINISHES: Final = {
    pb.REASON_INVALID: "",
    pb.REASON_STOP: "STOP",
    pb.REASON_MAX_LEN: "LENGTH",
    pb.REASON_TOOL_CALLS: "TOOL_CALLS",
}


def request(wanted: Wanted) -> bytes:
    """Return a GetCompletionsRequest."""
    system = said(SYSTEM, role=pb.ROLE_SYSTEM)
    last = said(wanted.content)
    last.content.extend([image(IMAGE_URL)] * wanted.image)
    asking = asked(
        *[system, *[said("x")] * wanted.turns, last],
        model=wanted.model,
        temperature=wanted.temperature,
        stop=["x"] * wanted.stops,
        tools=[function(f"tool-{number}") for number in range(wanted.tools)],
        n=1,
    )
    return asking.SerializeToString()


def text_of_chunk(chunk: bytes) -> str:
    """Return the text of a chunk."""
    outputs = pb.GetChatCompletionChunk.FromString(chunk).outputs
    return "".join(each.delta.content for each in outputs)


def finish_of_chunk(chunk: bytes) -> str:
    """Return the finish reason of a chunk."""
    outputs = pb.GetChatCompletionChunk.FromString(chunk).outputs
    return "".join(FINISHES[each.finish_reason] for each in outputs)


def text_of_response(response: bytes) -> str:
    """Return the text of a response."""
    [output] = pb.GetChatCompletionResponse.FromString(response).outputs
    return output.message.content


def finish_of_response(response: bytes) -> str:
    """Return the finish reason of a response."""
    [output] = pb.GetChatCompletionResponse.FromString(response).outputs
    return FINISHES[output.finish_reason]


METHODS: Final = (
    ProtocolMethod(
        CHAT,
        "GetCompletionChunk",
        Role.ANSWER,
        request,
        text_of_chunk,
        finish_of_chunk,
        fields=FIELDS,
        streams=True,
        clients_retry=True,
    ),
    ProtocolMethod(
        CHAT,
        "GetCompletion",
        Role.ANSWER,
        request,
        text_of_response,
        finish_of_response,
        fields=FIELDS,
        clients_retry=True,
    ),
    ProtocolMethod(MODELS, "ListLanguageModels", Role.LOCAL, lambda _: b""),
    ProtocolMethod(
        MODELS,
        "GetLanguageModel",
        Role.LOCAL,
        lambda _: pb.GetModelRequest(name=MODEL).SerializeToString(),
    ),
    ProtocolMethod("xai_api.Auth", "get_api_key_info", Role.LOCAL, lambda _: b""),
)
