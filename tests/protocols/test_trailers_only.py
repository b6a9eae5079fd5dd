"""A failure before the first token is Trailers-Only in each protocol, so that clients may retry."""

import pytest

from protocols.calls import HELLO
from protocols.drivers import METHODS
from protocols.drivers.base import ProtocolMethod, Role
from protocols.world import OpenProtocols
from support import http2

STATUS = b"grpc-status"
PLANS = ("status 500", "status 429 retry-after=7", "status 400", "headers; reset", "role; eof")


async def header_frames(address: str, method: ProtocolMethod, request: bytes) -> int:
    """Return the number of header frames of a response up to the one with the status."""
    async with http2.connect(address) as caller:
        await caller.send(http2.call(1, method.path), http2.message(1, request))
        count = 0
        async for kind, stream, payload in caller.frames():
            count += (kind, stream) == (http2.HEADERS, 1)
            assert (kind, stream) != (http2.DATA, 1)
            if STATUS in payload:
                return count
    raise AssertionError("the call has no status")


async def test_failures_of_the_upstream(
    protocols: OpenProtocols, subtests: pytest.Subtests
) -> None:
    """No headers are sent before the upstream has begun its answer."""
    world = await protocols()
    address = world.world.app.address
    answers = [method for method in METHODS if method.role is Role.ANSWER]
    for plan in PLANS:
        for method in answers:
            world.world.upstream.script(plan, plan)
            with subtests.test(method=str(method), plan=plan):
                assert await header_frames(address, method, method.request(HELLO)) == 1
            world.world.upstream.clear()


async def test_failures_of_requests(protocols: OpenProtocols, subtests: pytest.Subtests) -> None:
    """A rejected request has no headers but its trailers."""
    world = await protocols(max_streams=1, max_queue=0, request_timeout_seconds=5)
    address = world.world.app.address
    for method in METHODS:
        with subtests.test(method=str(method)):
            assert await header_frames(address, method, b"\xde\xad\xbe\xef") == 1
