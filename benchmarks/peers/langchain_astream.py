"""LangChain's `astream` behind grpc.aio, as in LangChain's documentation."""

import asyncio
import sys
from collections.abc import AsyncIterator

import grpc
from langchain_openai import ChatOpenAI

from tokenwire.v1 import chatgpt_pb2, chatgpt_pb2_grpc

model = ChatOpenAI(model="gpt-4o-mini")


class Chatgpt(chatgpt_pb2_grpc.ChatgptServicer):
    """Streams the model's chunks."""

    async def Send(
        self, request: chatgpt_pb2.Message, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[chatgpt_pb2.Answer]:
        """Yield an Answer for each chunk."""
        async for chunk in model.astream(request.content):
            if chunk.content:
                yield chatgpt_pb2.Answer(content=chunk.content)


async def main() -> None:
    """Serve on the port of the first argument."""
    server = grpc.aio.server()
    chatgpt_pb2_grpc.add_ChatgptServicer_to_server(Chatgpt(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
