"""Nothing of an upstream, a prompt or a key is in the log or in a status."""

import grpc
import pytest

from support.process import ServerProcess
from support.raw_upstream import raw_upstream
from support.wire import CANARY, KEY, Wire
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

PROMPT = "prompt-canary"


@pytest.mark.slow
async def test_nothing_leaks(wire: Wire) -> None:
    """At the most detailed level, the log names no host, key, prompt, answer or error text."""
    async with raw_upstream() as upstream:
        address = upstream.base_url.removesuffix("/v1")
        scripts = [
            wire.answer(*wire.body("answer-canary"), wire.end()),
            wire.rejection("404 Not Found"),
            wire.rejection("429 Too Many Requests", headers="retry-after: 9\r\n"),
            wire.answer(*wire.body("answer-canary"), wire.error()),
            wire.answer(*wire.body("answer-canary"), wire.odd()),
        ]
        env = {
            "TOKENWIRE_PROVIDER": wire.name,
            "TOKENWIRE_MODEL": "m",
            "TOKENWIRE_LOG_LEVEL": "debug",
            "ANTHROPIC_LOG": "debug",
            wire.address: address,
            **wire.variables,
        }
        errors = []
        async with (
            ServerProcess(env=env) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            for pieces in scripts:
                upstream.pieces = pieces
                try:
                    async for _ in stub.Send(pb.Message(content=PROMPT)):
                        pass
                except grpc.aio.AioRpcError as error:
                    errors.append(f"{error!r} {error.trailing_metadata()}")
            await server.logged("call ended", times=len(scripts))
            log = "\n".join(server.log_lines)
        assert len(errors) == len(scripts) - 1
        secrets = (CANARY, KEY, PROMPT, "answer-canary", address, address.split("/")[2])
        for text in (log, *errors):
            assert [each for each in secrets if each in text] == []
