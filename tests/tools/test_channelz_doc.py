"""docs/channelz.md: its commands show the connections of a server."""

import json
import re
import shlex
from pathlib import Path

import grpc
import pytest

from support.app import StartApp
from support.fenced import fenced
from support.helpers import collect
from support.programs import ROOT, Outcome, run
from tokenwire.config import Settings, variables
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

pytestmark = pytest.mark.tools

DOC = (ROOT / "docs/channelz.md").read_text("utf-8")
SERVE, REQUESTS, FORWARD = fenced(DOC, "sh")
ADDRESS = "127.0.0.1:50052"


def test_the_server_is_started_with_the_setting() -> None:
    """The first command sets the variable of the setting, at the port that is forwarded."""
    assert f"{variables('channelz_listen')[0]}={ADDRESS} tokenwire serve --demo" == SERVE
    assert "channelz_listen" in Settings.model_fields
    assert f" {ADDRESS.rpartition(':')[2]} " in FORWARD


async def test_each_request_is_answered(tools: Path, start_app: StartApp) -> None:
    """The commands lead from the servers of the process to the connection of a client."""
    app = await start_app(channelz_listen="127.0.0.1:0")
    assert app.channelz

    async def ask(command: str, number: str = "") -> Outcome:
        assert app.channelz
        line = command.replace(ADDRESS, app.channelz.address)
        name, *arguments = shlex.split(re.sub(r'(_id": )\d+', rf"\g<1>{number}", line))
        return await run(tools / name, *arguments)

    servers, sockets, socket = REQUESTS.splitlines()
    seen = []
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
        for server in json.loads((await ask(servers)).stdout)["server"]:
            refs = json.loads((await ask(sockets, server["ref"]["server_id"])).stdout)
            for ref in refs.get("socket_ref", ()):
                done = await ask(socket, ref["socket_id"])
                # Connections of grpcurl itself are gone by the next command.
                assert done.code == 0 or "NotFound" in done.stderr
                seen += [json.loads(done.stdout)["socket"]] if done.code == 0 else []
    port = int(app.address.rpartition(":")[2])
    [connection] = [
        each for each in seen if each["local"].get("tcpip_address", {}).get("port") == port
    ]
    assert connection["data"]["streams_started"] == "1"
