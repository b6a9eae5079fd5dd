"""Converts the content of LangChain's messages to the texts and parts of the contract."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from langchain_core.messages import BaseMessage

from tokenwire_client.v1.chatgpt_pb2 import Detail, Part

DETAILS: Final = {
    "auto": Detail.DETAIL_AUTO,
    "low": Detail.DETAIL_LOW,
    "high": Detail.DETAIL_HIGH,
}
DATA_URL: Final = re.compile(r"data:(?P<type>[^;,]*)(;[^,]*)?;base64,(?P<data>.*)", re.DOTALL)
CALLS: Final = {"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "input_json_delta"}
"""Blocks that say what the message's `tool_calls` say."""


class Content(NamedTuple):
    """The content of one message.

    Attributes:
        text: The texts, each on a line of its own where the message is of a person or a tool.
        parts: The images, audio and files, in their order.
        reasoning: What the model reasoned.
    """

    text: str
    parts: list[Part]
    reasoning: str


def read_content(message: BaseMessage) -> Content:
    """Return the content of a message, whose blocks may be in any format that LangChain knows.

    Raises:
        ValueError: A block cannot be sent.
    """
    texts: list[str] = []
    parts: list[Part] = []
    reasoning: list[str] = []
    for standard in message.content_blocks:
        block: Mapping[str, Any] = standard
        if block["type"] == "non_standard":
            block = block["value"]
        match block.get("type"):
            case "text":
                texts.append(block["text"])
            case "reasoning":
                reasoning.append(block.get("reasoning", ""))
            case "thinking":
                reasoning.append(block.get("thinking", ""))
            case "image" | "audio" | "video" | "file" | "text-plain":
                parts.append(_part(block))
            case "redacted_thinking":
                # For the provider that made it; `state` is what this server takes back.
                pass
            case kind if kind not in CALLS:
                raise ValueError(
                    f"a message of type {message.type!r} has a content block of type {kind!r}, "
                    "which tokenwire cannot send; use text, image, audio, file or reasoning blocks"
                )
    separator = "" if message.type == "ai" else "\n"
    return Content(separator.join(texts), parts, "".join(reasoning))


def _part(block: Mapping[str, Any]) -> Part:
    kind, extras = block["type"], block.get("extras") or {}
    media_type = block.get("mime_type") or ("text/plain" if kind == "text-plain" else "")
    name = block.get("filename") or extras.get("filename") or block.get("title") or ""
    detail = block.get("detail") or extras.get("detail")
    if detail is not None and detail not in DETAILS:
        raise ValueError(f"the detail of an image is {detail!r}; it must be auto, low or high")
    part = Part(media_type=media_type, name=name)
    if detail is not None:
        part.detail = DETAILS[detail]
    url = block.get("url") or ""
    if matched := DATA_URL.fullmatch(url):
        part.media_type = part.media_type or matched["type"]
        part.inline = _decoded(matched["data"], kind)
    elif url:
        part.url = url
    elif "base64" in block:
        part.inline = _decoded(block["base64"], kind)
    elif kind == "text-plain" and "text" in block:
        part.inline = block["text"].encode()
    else:
        raise ValueError(
            f"a content block of type {kind!r} has the keys {', '.join(sorted(block))}; "
            "tokenwire needs `base64` or `url`, and cannot send the id of an uploaded file"
        )
    if part.HasField("inline") and not part.media_type:
        raise ValueError(f"a content block of type {kind!r} has no `mime_type`; set it")
    return part


def _decoded(data: str, kind: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the data of a content block of type {kind!r} is not base64") from error
