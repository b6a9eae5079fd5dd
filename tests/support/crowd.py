"""Many clients in a separate process: `python crowd.py ADDRESS COUNT`.

Each client has its own connection, and all of them make one call at the same time. The process
prints how often each status code and reason occurred, as JSON.
"""

import asyncio
import json
import resource
import sys
from collections import Counter

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc


def allow_descriptors(count: int) -> None:
    """Raise this process's limit of open files to `count`, or as far as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, most), most))


async def call(address: str, begin: asyncio.Event) -> str:
    """Connect, make a call, and return how it ended."""
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=own_connection) as channel:
        await begin.wait()
        try:
            async for _ in chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")):
                pass
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {reason_of(error)}"
        return "OK"


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of a failure, or its message if it has no reason."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type] # its types lack grpc.aio
    info = error_details_pb2.ErrorInfo()
    if status and any(detail.Unpack(info) for detail in status.details):
        return str(info.reason)
    return str(error.details())


async def main(address: str, count: int) -> None:
    """Make all calls at the same time, and print how they ended."""
    allow_descriptors(count + 1_000)
    begin = asyncio.Event()
    calls = [asyncio.create_task(call(address, begin)) for _ in range(count)]
    begin.set()
    print(json.dumps(Counter(await asyncio.gather(*calls))))  # noqa: T201 - for the test to read


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
