"""Literal events of the responses API, as OpenAI documents them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.quirks import Player, event, player


def typed(kind: str, **fields: Any) -> bytes:
    """Return an event with its type as name and in its data."""
    return f"event: {kind}\n".encode() + event({"type": kind, "sequence_number": 1, **fields})


def said(text: str, **fields: Any) -> bytes:
    """Return a piece of text."""
    position = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return typed("response.output_text.delta", delta=text, **position | fields)


def thought(text: str, summary_index: int = 0, *, kind: str = "reasoning_summary_text") -> bytes:
    """Return a piece of a summary of the reasoning, or of the reasoning itself."""
    position = {"item_id": "rs_1", "output_index": 0, "summary_index": summary_index}
    return typed(f"response.{kind}.delta", delta=text, **position)


def message(*texts: str, **fields: Any) -> dict[str, Any]:
    """Return an item with these texts."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {**item, "content": content, **fields}


def function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return an item with a tool call."""
    item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id}
    return {**item, "name": name, "arguments": arguments, "status": "completed"}


def response_of(
    *output: dict[str, Any], status: str = "completed", **fields: Any
) -> dict[str, Any]:
    """Return a whole response."""
    about = {"id": "resp_1", "object": "response", "model": "gpt-5-mini", "status": status}
    return {**about, "error": None, "output": list(output), **fields}


def completed(*output: dict[str, Any], **fields: Any) -> bytes:
    """Return the event that ends a complete answer."""
    return typed("response.completed", response=response_of(*output, **fields))


CREATED = typed("response.created", response=response_of(status="in_progress"))


def call_events(index: int, item: dict[str, Any], *pieces: str) -> list[bytes]:
    """Return the events of a tool call whose arguments arrive in pieces."""
    begun = {**item, "arguments": "", "status": "in_progress"}
    where = {"item_id": item["id"], "output_index": index}
    return [
        typed("response.output_item.added", output_index=index, item=begun),
        *(
            typed("response.function_call_arguments.delta", delta=piece, **where)
            for piece in pieces
        ),
        typed("response.function_call_arguments.done", arguments=item["arguments"], **where),
        typed("response.output_item.done", output_index=index, item=item),
    ]


@asynccontextmanager
async def responses_player(**settings: Any) -> AsyncIterator[Player]:
    """Start a server with the responses dialect and its upstream."""
    async with player(dialect="responses", **settings) as opened:
        yield opened
