"""The open clients of a chat model: one for threads, and one for each event loop."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from tokenwire_client.channel import SyncInterceptor
from tokenwire_client.client import Client
from tokenwire_client.sync_client import SyncClient


class Connections:
    """Opens the clients of one chat model at their first use, and keeps them open.

    Args:
        arguments: The arguments of both clients.
        interceptors: The interceptors of the client for threads.
        async_interceptors: The interceptors of the clients of event loops.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        interceptors: Sequence[SyncInterceptor],
        async_interceptors: Sequence[grpc.aio.ClientInterceptor],
    ) -> None:
        self._arguments = dict(arguments)
        self._interceptors = interceptors
        self._async_interceptors = async_interceptors
        self._lock = threading.Lock()
        self._sync: SyncClient | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, Client] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of the model, or one in another process, opens its own.
        return Connections, (self._arguments, self._interceptors, self._async_interceptors)

    def client(self) -> SyncClient:
        """Return the open client for threads."""
        with self._lock:
            if self._sync is None:
                self._sync = SyncClient(**self._arguments, interceptors=self._interceptors)
                self._sync.open()
            return self._sync

    async def async_client(self) -> Client:
        """Return the open client of the running event loop."""
        loop = asyncio.get_running_loop()
        client = self._by_loop.get(loop)
        if client is None:
            client = Client(**self._arguments, interceptors=self._async_interceptors)
            await client.open()
            with self._lock:
                # gRPC frees the connections of a loop that has ended.
                ended = [each for each in self._by_loop if each.is_closed()]
                for each in ended:
                    del self._by_loop[each]
                self._by_loop[loop] = client
        return client

    def close(self) -> None:
        """Close the client for threads."""
        with self._lock:
            client, self._sync = self._sync, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the client of the running event loop."""
        with self._lock:
            client = self._by_loop.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()
