"""A bare grpc.aio server, which does nothing but receive requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from support.loop_watch import watch_loop

METHOD: Final = "Receive"
SERVICE: Final = "bare.Service"
UNLIMITED: Final = (("grpc.max_receive_message_length", -1),)


@asynccontextmanager
async def bare_server() -> AsyncIterator[grpc.aio.Channel]:
    """Start the server, and yield a channel to it."""
    server = grpc.aio.server(options=UNLIMITED)

    async def receive(_: object, context: Any) -> None:
        await context.read()
        await context.write(b"")

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(
        receive, None, None
    )
    server.add_registered_method_handlers(SERVICE, {METHOD: handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(0)


async def longest_round(request: bytes, attempts: int) -> float:
    """Return the seconds for which gRPC itself blocks the event loop to transfer `request`.

    The value is the least of some attempts, like every time that it is compared with.
    """
    longest = []
    async with bare_server() as channel:
        for _ in range(attempts):
            with watch_loop() as watch:
                call: Any = channel.unary_unary(f"/{SERVICE}/{METHOD}")
                await call(request)
            longest.append(watch.longest)
    return min(longest)
