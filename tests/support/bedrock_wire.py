"""Amazon Bedrock's ConverseStream: binary messages with checksums, as AWS documents them.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

import json
import re
import struct
from typing import Any
from urllib.parse import unquote
from zlib import crc32

from support.wire import CANARY, KEY, Wire

STRING = 7
"""The type of a header whose value is a string."""
REGION = "eu-central-1"


def header(name: str, value: str) -> bytes:
    """Return a header of a message."""
    encoded = value.encode()
    return bytes([len(name)]) + name.encode() + struct.pack(">BH", STRING, len(encoded)) + encoded


def message(payload: bytes, **names: str) -> bytes:
    """Return a message with these headers, whose names begin with a colon."""
    given = {name.replace("_", "-"): value for name, value in names.items()}
    headers = b"".join(header(f":{name}", value) for name, value in given.items())
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    checked = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return checked + struct.pack(">I", crc32(checked))


def event(name: str, **fields: Any) -> bytes:
    """Return an event; AWS fills it up, so that its length says little about the text."""
    payload = json.dumps({**fields, "p": "abcdefgh"}, ensure_ascii=False).encode()
    return message(payload, event_type=name, content_type="application/json", message_type="event")


def exception(name: str, text: str = CANARY) -> bytes:
    """Return an exception."""
    payload = json.dumps({"message": text}).encode()
    return message(
        payload, exception_type=name, content_type="application/json", message_type="exception"
    )


def delta(index: int = 0, **fields: Any) -> bytes:
    """Return an event with a piece of a block."""
    return event("contentBlockDelta", contentBlockIndex=index, delta=fields)


def call(index: int, call_id: str, name: str, *arguments: str) -> list[bytes]:
    """Return the events of a tool call, whose arguments come in these pieces."""
    start = {"toolUse": {"toolUseId": call_id, "name": name}}
    return [
        event("contentBlockStart", contentBlockIndex=index, start=start),
        *(delta(index, toolUse={"input": each}) for each in arguments),
        event("contentBlockStop", contentBlockIndex=index),
    ]


START = event("messageStart", role="assistant")


class BedrockWire(Wire):
    """The wire format of the provider `bedrock`."""

    def body(self, *texts: str) -> list[bytes]:
        return [START, *(delta(text=each) for each in texts)]

    def thought(self, content: str) -> bytes:
        return delta(reasoningContent={"text": content})

    def end(self) -> bytes:
        return self.stop()

    def error(self) -> bytes:
        return exception("internalServerException")

    def odd(self) -> bytes:
        return delta(text={"a": 1})

    def rejected(self, message: str) -> dict[str, Any]:
        return {"message": message}

    def raw(self, data: bytes) -> bytes:
        return message(
            data,
            event_type="contentBlockDelta",
            content_type="application/json",
            message_type="event",
        )

    def model_of(self, head: bytes, body: bytes) -> str:
        del body
        [name] = re.findall(rb"/model/([^/]+)/converse-stream", head)
        return unquote(name.decode())

    def stop(self, reason: str = "end_turn", **counts: Any) -> bytes:
        """Return the events that end an answer."""
        usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5, **counts}
        return event("messageStop", stopReason=reason) + event(
            "metadata", usage=usage, metrics={"latencyMs": 7}
        )


BEDROCK = BedrockWire(
    "bedrock",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    {"AWS_BEARER_TOKEN_BEDROCK": KEY, "AWS_REGION": REGION},
    "application/vnd.amazon.eventstream",
    {"region": REGION},
)
