"""A caller in a separate process: `python client.py ADDRESS WORDS`.

It makes one call, reads WORDS words of the answer, prints "read" to its standard output, and
reads no more.
"""

import asyncio
import sys
from typing import Any

import grpc

from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc


async def main(address: str, words: int) -> None:
    """Make the call, and wait until the process is killed."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
        text = ""
        while len(text.split()) < words:
            text += (await call.read()).content
        print("read", flush=True)  # noqa: T201 - the test waits for this line
        await call.code()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
