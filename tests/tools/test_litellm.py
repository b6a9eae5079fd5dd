"""tokenwire in front of a third-party OpenAI-compatible server."""

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect, text_of
from support.litellm_proxy import Proxy
from tokenwire.v1 import chatgpt_pb2, chatgpt_pb2_grpc

# The proxy takes up to a minute to start on a busy machine.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]


async def test_an_answer_streams_with_usage(litellm_proxy: Proxy, start_app: StartApp) -> None:
    """LiteLLM's answer is streamed whole, in several parts, and ends with the reported usage."""
    app = await start_app(
        base_url=litellm_proxy.base_url, api_key=litellm_proxy.api_key, model=litellm_proxy.model
    )

    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers = await collect(stub.Send(chatgpt_pb2.Message(content="Hello"), timeout=60))

    *pieces, last = answers
    assert text_of(pieces) == litellm_proxy.answer
    assert len(pieces) > 1
    assert last.finish_reason == chatgpt_pb2.FINISH_REASON_STOP
    assert last.model == litellm_proxy.model
    assert last.usage.input_tokens > 0
    assert last.usage.output_tokens > 0
