"""Row 17: HTTP framing breaks on a connection that stays open."""

import asyncio

import grpc
import pytest

from support.helpers import reason_of
from support.raw_upstream import ANSWER, raw_upstream
from support.world import open_world

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
AT_ONCE_SECONDS = 1


async def test_row_17_broken_framing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body with an invalid chunk ends the answer at once, not after a timeout."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        token = ANSWER[: ANSWER.index(b": a comment")]
        head = HEAD + b"%x\r\n%b\r\n" % (len(token), token)
        raw.pieces = (head, token_read := asyncio.Event(), b"this is no chunk")
        answers = aiter(world.send())
        assert (await anext(answers)).content == "Grü"
        token_read.set()
        async with asyncio.timeout(AT_ONCE_SECONDS):
            _, error = await world.ended(answers)
        assert error is not None
        assert reason_of(error) == "UPSTREAM_STREAM_BROKEN"
        await world.check(grpc.StatusCode.ABORTED, "UPSTREAM_STREAM_BROKEN")
