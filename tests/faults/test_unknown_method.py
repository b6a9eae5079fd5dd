"""Calls of methods that do not exist."""

import grpc
import pytest

from support import http2
from support.world import open_world

UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED.value[0]
OK = (grpc.StatusCode.OK, "")

METHODS = {
    "another": "/openai.Chatgpt/Another",
    "empty": "",
    "not UTF-8": "/openai.Chatgpt/\udcff\udcfe",
    "one byte": "\udc80",
}
"""Surrogates stand for bytes that are not UTF-8."""


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
async def test_unknown_method(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """A call of an unknown method, under any name, is UNIMPLEMENTED and affects no other call."""
    async with open_world(monkeypatch) as world:
        world.upstream.script("tokens 1; barrier held; answer")
        running = world.send()
        await world.upstream.barrier("held").reached()
        # The status also comes without a message, which may never arrive.
        for message in (http2.message(1, b""), b""):
            async with http2.connect(world.app.address) as caller:
                await caller.send(http2.call(1, method), message)
                await caller.status(UNIMPLEMENTED)
        world.upstream.barrier("held").release()
        assert (await world.ended(running))[1] is None
        assert (await world.ended(world.send()))[1] is None
        await world.check_all([OK, OK])
