"""Serves grpc.channelz.v1: the connections and calls of this process, as gRPC's core sees them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from grpc_channelz.v1 import channelz, channelz_pb2
from grpc_reflection.v1alpha import reflection

from tokenwire.config import cannot_listen

SERVICE: Final = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name
THREADS: Final = 4
OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    # Requests are a few numbers.
    ("grpc.max_receive_message_length", 1_024),
    ("grpc.max_metadata_size", 16_384),
)


class ChannelzServer:
    """A gRPC server of its own for channelz, with reflection, on a loopback address.

    Its threads answer also while the event loop, on which all other calls are served, is blocked.

    Args:
        listen: HOST:PORT; port 0 selects a free port.

    Attributes:
        address: HOST:PORT, with the actual port once the server has started.
    """

    def __init__(self, listen: str) -> None:
        self.address = listen
        self._threads = ThreadPoolExecutor(THREADS, "channelz")
        self._server = grpc.server(self._threads, options=OPTIONS, maximum_concurrent_rpcs=THREADS)
        channelz.add_channelz_servicer(self._server)
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), self._server)

    def start(self) -> None:
        """Open the port.

        Raises:
            SettingsError: The address is not available.
        """
        try:
            port = self._server.add_insecure_port(self.address)
        except RuntimeError:
            raise cannot_listen("TOKENWIRE_CHANNELZ_LISTEN", self.address) from None
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        self._server.start()

    async def stop(self) -> None:
        """End all calls and close the port."""
        await asyncio.to_thread(self._server.stop(0).wait)
        self._threads.shutdown(wait=False)
