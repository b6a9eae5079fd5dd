"""The original article's design: a callback of a chain writes each token to gRPC's context."""

import asyncio
import sys

import grpc
from langchain_classic.chains import LLMChain
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from tokenwire.v1 import chatgpt_pb2, chatgpt_pb2_grpc

chain = LLMChain(
    llm=ChatOpenAI(model="gpt-4o-mini", streaming=True),
    prompt=ChatPromptTemplate.from_messages([("human", "{content}")]),
)


class Writer(AsyncCallbackHandler):
    """Writes each token as the model generates it."""

    def __init__(self, context: grpc.aio.ServicerContext) -> None:
        self.context = context

    async def on_llm_new_token(self, token: str, **kwargs: object) -> None:
        """Write one Answer."""
        await self.context.write(chatgpt_pb2.Answer(content=token))


class Chatgpt(chatgpt_pb2_grpc.ChatgptServicer):
    """Runs the chain for each call."""

    async def Send(self, request: chatgpt_pb2.Message, context: grpc.aio.ServicerContext) -> None:
        """Run the chain; the callback writes the tokens."""
        await chain.ainvoke({"content": request.content}, config={"callbacks": [Writer(context)]})


async def main() -> None:
    """Serve on the port of the first argument."""
    server = grpc.aio.server()
    chatgpt_pb2_grpc.add_ChatgptServicer_to_server(Chatgpt(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
