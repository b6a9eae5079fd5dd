"""Chat models of LangChain for tests, in front of scripted and real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from langchain_core.messages import AIMessageChunk

from support.scripted_server import Context, Script
from tokenwire_client import Answer
from tokenwire_client.langchain import ChatTokenwire
from tokenwire_client.v1.chatgpt_pb2 import Message

Result = TypeVar("Result")


@asynccontextmanager
async def chat_model(address: str, **fields: Any) -> AsyncIterator[ChatTokenwire]:
    """A chat model, whose connections are closed at the end."""
    model = ChatTokenwire(target=address, **fields)
    try:
        yield model
    finally:
        await model.aclose()
        await asyncio.to_thread(model.close)


async def in_thread(call: Callable[[], Result]) -> Result:
    """Return the result of a call that blocks."""
    return await asyncio.to_thread(call)


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    """Return the sum of chunks, of which there is at least one."""
    first, *others = chunks
    for other in others:
        first += other
    return first


def answers(*pieces: Answer) -> Script:
    """Return a script that answers with these Answers."""

    async def script(_request: Message, _context: Context) -> AsyncIterator[Answer]:
        for piece in pieces:
            yield piece

    return script
