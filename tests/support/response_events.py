"""The events of the responses dialect, as OpenAI's API streams them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.quirks import Got, Player, player, response
from support.raw_upstream import Piece
from tokenwire.v1 import chatgpt_pb2 as pb


def event(kind: str, **fields: Any) -> bytes:
    """Return an event of this type."""
    data = json.dumps({"type": kind, "sequence_number": 1, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def text(delta: Any, **fields: Any) -> bytes:
    """Return a delta of text."""
    places = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    return event("response.output_text.delta", **(places | {"delta": delta} | fields))


def refusal(delta: str) -> bytes:
    """Return a delta of a refusal."""
    return event(
        "response.refusal.delta", item_id="msg_1", output_index=0, content_index=0, delta=delta
    )


def summary(delta: str, index: int = 0, *, kind: str = "reasoning_summary_text") -> bytes:
    """Return a delta of a reasoning summary's part, or of the reasoning itself."""
    return event(
        f"response.{kind}.delta",
        item_id="rs_1",
        output_index=0,
        summary_index=index,
        delta=delta,
    )


def message(*texts: str, **fields: Any) -> dict[str, Any]:
    """Return the item of a message."""
    parts = [{"type": "output_text", "text": each, "annotations": []} for each in texts]
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
    return {**item, "content": parts, **fields}


def call(
    name: str, arguments: str, call_id: str = "call_1", item_id: str = "fc_1"
) -> dict[str, Any]:
    """Return the item of a function call."""
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def added(item: Any, index: int = 0) -> bytes:
    """Return the event of an item that begins."""
    return event("response.output_item.added", output_index=index, item=item)


def done(item: Any, index: int = 0) -> bytes:
    """Return the event of an item that is complete."""
    return event("response.output_item.done", output_index=index, item=item)


def arguments(delta: Any, index: int = 0, item_id: str = "fc_1") -> bytes:
    """Return a delta of a function call's arguments."""
    return event(
        "response.function_call_arguments.delta", item_id=item_id, output_index=index, delta=delta
    )


def call_events(index: int, item: dict[str, Any], *pieces: str) -> list[bytes]:
    """Return the events of a function call whose arguments arrive in pieces."""
    begun = {**item, "arguments": "", "status": "in_progress"}
    where = {"item_id": item["id"], "output_index": index}
    ended = "response.function_call_arguments.done"
    return [
        added(begun, index),
        *(arguments(piece, index, item["id"]) for piece in pieces),
        event(ended, arguments=item["arguments"], **where),
        done(item, index),
    ]


def body(*output: Any, **fields: Any) -> dict[str, Any]:
    """Return a response object that is complete."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-demo",
        "output": list(output),
        "text": {"format": {"type": "text"}},
        "usage": None,
        **fields,
    }


def created(**fields: Any) -> bytes:
    """Return the first event of a response."""
    return event("response.created", response=body(status="in_progress", **fields))


def completed(*output: Any, **fields: Any) -> bytes:
    """Return the last event of a response that is complete."""
    return event("response.completed", response=body(*output, **fields))


def incomplete(reason: str | None, *output: Any) -> bytes:
    """Return the last event of a response that is not complete."""
    details = reason and {"reason": reason}
    return event(
        "response.incomplete",
        response=body(*output, status="incomplete", incomplete_details=details),
    )


def failed(error: Any) -> bytes:
    """Return the last event of a response that failed."""
    return event("response.failed", response=body(status="failed", error=error))


USAGE = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 7},
    "total_tokens": 123,
}

END = completed(usage=USAGE)
"""The end of a response, without its output."""


@asynccontextmanager
async def responses_player(**settings: Any) -> AsyncIterator[Player]:
    """Start a server with the responses dialect and its upstream."""
    async with player(dialect="responses", **settings) as opened:
        yield opened


async def play(
    upstream: Player, *pieces: Piece, message: pb.Message | None = None, **options: Any
) -> Got:
    """Play a response; return what the caller received."""
    return await upstream.play(response(*pieces, **options), message)
