"""Channelz, on a listener of its own."""

from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2 as pb
from grpc_channelz.v1 import channelz_pb2_grpc

from support.app import StartApp
from support.helpers import collect
from tokenwire.app import App
from tokenwire.config import SettingsError
from tokenwire.v1 import chatgpt_pb2, chatgpt_pb2_grpc

CALLS = 3


def stub_of(app: App) -> "channelz_pb2_grpc.ChannelzStub":
    """Return a client that blocks the event loop until the server has answered."""
    assert app.channelz
    return channelz_pb2_grpc.ChannelzStub(grpc.insecure_channel(app.channelz.address))


async def test_the_public_port_has_no_channelz(start_app: StartApp) -> None:
    """The port for callers does not know the service, whether it is on or off."""
    for settings in ({}, {"channelz_listen": "127.0.0.1:0"}):
        app = await start_app(**settings)
        async with grpc.aio.insecure_channel(app.address) as opened:
            channel: Any = opened  # the published types know no other channels
            stub: Any = channelz_pb2_grpc.ChannelzStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetServers(pb.GetServersRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_there_is_none_by_default(app: App) -> None:
    """Without its setting, nothing of channelz listens."""
    assert app.channelz is None


async def test_it_answers_while_the_event_loop_is_blocked(start_app: StartApp) -> None:
    """A client that blocks the event loop of the server gets the server's connections and calls."""
    app = await start_app(channelz_listen="127.0.0.1:0")
    async with grpc.aio.insecure_channel(app.address) as channel:
        for _ in range(CALLS):
            message = chatgpt_pb2.Message(content="hello")
            await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(message))
        stub = stub_of(app)
        servers = stub.GetServers(pb.GetServersRequest(), timeout=30).server
        sockets = [
            stub.GetSocket(pb.GetSocketRequest(socket_id=ref.socket_id), timeout=30).socket
            for server in servers
            for ref in stub.GetServerSockets(
                pb.GetServerSocketsRequest(server_id=server.ref.server_id), timeout=30
            ).socket_ref
        ]
    # The server's own probes are calls too.
    assert max(server.data.calls_started for server in servers) > CALLS
    port = int(app.address.rpartition(":")[2])
    [data] = [each.data for each in sockets if each.local.tcpip_address.port == port]
    assert data.streams_started == CALLS


async def test_a_taken_port_stops_the_start(start_app: StartApp) -> None:
    """If its port is in use, the server does not start, and the error names the setting."""
    app = await start_app(channelz_listen="127.0.0.1:0")
    assert app.channelz
    with pytest.raises(SettingsError, match=r"^TOKENWIRE_CHANNELZ_LISTEN=.*: cannot listen there"):
        await start_app(channelz_listen=app.channelz.address)


async def test_it_stops_with_the_server(start_app: StartApp) -> None:
    """After the stop, nothing listens on the port."""
    app = await start_app(channelz_listen="127.0.0.1:0")
    stub = stub_of(app)
    await app.stop(grace_seconds=0)
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        stub.GetServers(pb.GetServersRequest(), timeout=30)
