"""The C core of gRPC writes no log of its own, whatever its environment variables say."""

import asyncio
import json
from pathlib import Path

import grpc

from support.app import MODEL
from support.certificates import Mount, Pair, answer_of, caller
from support.helpers import failure_of
from support.process import ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream


async def test_it_writes_nothing(upstream: DemoUpstream, tmp_path: Path) -> None:
    """Failed handshakes and requested traces are not logged; the ignored variables are reported."""
    pair = Pair()
    mount = Mount(tmp_path).put(pair)
    env = {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_MODEL": MODEL,
        "GRPC_VERBOSITY": "debug",
        "GRPC_TRACE": "http,api",
    } | {f"TOKENWIRE_{name.upper()}": str(value) for name, value in mount.settings.items()}
    async with ServerProcess(env=env) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            await failure_of(stub.Send(pb.Message(content="hello")))
        _, writer = await asyncio.open_connection(*server.address.split(":"))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        await answer_of(caller(server.address, pair.authority))
    entries = [json.loads(line) for line in server.log_lines]
    warnings = [entry for entry in entries if entry["level"] != "info"]
    assert {entry["event"] for entry in warnings} == {"variable has no effect"}
    assert [entry["problem"] for entry in warnings] == [
        f"{name}: gRPC's own log can show metadata" for name in ("GRPC_VERBOSITY", "GRPC_TRACE")
    ]
