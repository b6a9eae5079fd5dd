"""Closes a listening server without leaking connections."""

import asyncio

_ACCEPT_ITERATIONS = 2
"""asyncio calls `connection_made` this many iterations of its loop after it has accepted a
connection."""


async def close_listener(server: asyncio.Server) -> None:
    """Stop accepting connections, then close the server.

    When this returns, `connection_made` has been called for every accepted connection.
    `Server.close` alone leaks the others.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener)
    for _ in range(_ACCEPT_ITERATIONS):
        await asyncio.sleep(0)
    server.close()
