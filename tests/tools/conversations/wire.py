"""What a wire format says of the conversation."""

import json
from dataclasses import dataclass, field
from typing import Any

from tools.conversations.story import Received


@dataclass(frozen=True)
class Wire:
    """A wire format.

    Attributes:
        name: The name.
        settings: The settings of the server, without the upstream's address.
        path: The path of the requests.
        headers: Headers that each request must have.
        requests: The bodies of the three requests.
        answers: The bodies of the three responses, as the provider's documentation has them.
        received: What the caller receives of the three.
        variables: Environment variables; the address's is `address`.
        address: The variable of the address; empty for OPENAI_BASE_URL.
        content_type: The type of the responses.
    """

    name: str
    settings: dict[str, Any]
    path: str
    headers: dict[str, str]
    requests: list[dict[str, Any]]
    answers: list[bytes]
    received: list[Received]
    variables: dict[str, str] = field(default_factory=dict)
    address: str = ""
    content_type: str = "text/event-stream"


def events(*data: Any) -> bytes:
    """Return server-sent events without a name."""
    lines = (each if isinstance(each, str) else _json(each) for each in data)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def named_events(*data: dict[str, Any]) -> bytes:
    """Return server-sent events with the name that their data has."""
    return "".join(f"event: {each['type']}\ndata: {_json(each)}\n\n" for each in data).encode()


def lines(*data: Any) -> bytes:
    """Return lines of JSON."""
    return "".join(f"{_json(each)}\n" for each in data).encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
