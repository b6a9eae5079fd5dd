"""The floor of the transport: bare grpc.aio, which generates the tokens itself."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator

import grpc

from tokenwire.v1 import chatgpt_pb2, chatgpt_pb2_grpc

TEXT = (
    " the wire carries each word as soon as it is written and nobody waits for company on the way"
)
TOKENS = re.findall(" [a-z]+", TEXT)


class Chatgpt(chatgpt_pb2_grpc.ChatgptServicer):
    """Follows the plan in the prompt, as the benchmark's upstream does."""

    async def Send(
        self, request: chatgpt_pb2.Message, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[chatgpt_pb2.Answer]:
        """Yield one Answer for each token."""
        kind, count, *rate = request.content.split()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for i in range(int(count)):
            if kind == "paced":
                wait = begin + i / float(rate[0]) - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
            yield chatgpt_pb2.Answer(content=TOKENS[i % len(TOKENS)])
        if kind == "pause":
            await asyncio.Event().wait()


async def main() -> None:
    """Serve on the port of the first argument."""
    server = grpc.aio.server()
    chatgpt_pb2_grpc.add_ChatgptServicer_to_server(Chatgpt(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
