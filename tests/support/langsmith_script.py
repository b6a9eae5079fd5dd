"""Streams from a model that wraps another LangChain model: `-m support.langsmith_script HOW`.

HOW is `langchain` to stream as any LangChain program does, or `tokenwire` as the server does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tracers.langchain import wait_for_all_tracers

from support.call_records import new_call
from tokenwire.core.domain import ChatRequest
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.progress_timer import Timeouts


class Outer(BaseChatModel):
    """A model that delegates to another model through LangChain's public API."""

    @property
    def _llm_type(self) -> str:
        return "outer"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise AssertionError("only streams")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the same
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        inner = GenericFakeChatModel(messages=iter([AIMessage("one two")]))
        async for message in inner.astream(messages):
            yield ChatGenerationChunk(message=message)


async def main(how: str) -> None:
    """Stream one answer."""
    if how == "langchain":
        _ = [chunk async for chunk in Outer().astream("hello")]
    else:
        request = ChatRequest("hello", "outer")
        model = LangChainModel(Outer(), Timeouts(first_token=60, idle=60))
        _ = [event async for event in model.stream(request, new_call())]
    wait_for_all_tracers()


asyncio.run(main(sys.argv[1]))
