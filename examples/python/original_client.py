"""Streams one answer with nothing but grpcio and stubs generated from the contract.

    python original_client.py localhost:50051 "Why is the sky blue?"

The style is that of the article this service grew from; stubs generated from
its original proto work as well as stubs from the current one.
"""

import asyncio
import sys

import chatgpt_pb2
import chatgpt_pb2_grpc
import grpc


async def main(target: str, text: str) -> None:
    """Print the answer to `text` while it arrives."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        message = chatgpt_pb2.Message(
            content=text,
            params=chatgpt_pb2.Params(temperature=0.7),
        )
        async for answer in stub.Send(message):
            print(answer.content, end="", flush=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program, the target and the text
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2]))
    except grpc.aio.AioRpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
