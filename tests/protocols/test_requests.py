"""Rows 36 to 39 and 46 to 48: requests that are invalid or too large, through each protocol."""

import asyncio
from collections.abc import Iterable

import grpc
import pytest

from protocols.calls import assert_fails, begin, result_of, send
from protocols.drivers import ANSWERS, METHODS
from protocols.drivers.base import ProtocolMethod, Wanted
from protocols.world import OpenProtocols, ProtocolWorld
from support import http2

GARBAGE = b"\xde\xad\xbe\xef" * 8
INVALID = ("INVALID_ARGUMENT", "INVALID_PARAMETER")
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
TURNS = 8


def having(field: str) -> Iterable[ProtocolMethod]:
    """Return the methods whose requests have a field of `Wanted`."""
    return [method for method in METHODS if field in method.fields]


async def rejects(
    world: ProtocolWorld, field: str, wanted: Wanted, ending: tuple[str, str] = INVALID
) -> None:
    """Check that each method rejects a request by the name that it has for a field."""
    made = []
    for method in having(field):
        result = await world.call(method, None, wanted)
        made.append((method, result.ending))
        with world.subtests.test(method=str(method), field=field):
            assert_fails(method, result, ending, fields=[method.fields[field]])
    await world.check(made)


async def test_rows_37_and_38_invalid_fields(protocols: OpenProtocols) -> None:
    """A field that is invalid has the name that the protocol has for it; nothing is asked."""
    world = await protocols(models=frozenset({"another"}), max_turns=TURNS)
    before = world.world.upstream.requests_seen
    await rejects(world, "content", Wanted(" \n"), ("INVALID_ARGUMENT", "EMPTY_PROMPT"))
    await rejects(world, "temperature", Wanted(temperature=2.5))
    unknown = ("INVALID_ARGUMENT", "UNKNOWN_MODEL")
    await rejects(world, "model", Wanted(model="canary-model"), unknown)
    assert world.world.upstream.requests_seen == before


async def test_row_48_long_lists(protocols: OpenProtocols) -> None:
    """A list over its limit is named; nothing is asked."""
    world = await protocols(max_turns=TURNS)
    before = world.world.upstream.requests_seen
    await rejects(world, "stops", Wanted(stops=5))
    await rejects(world, "turns", Wanted(turns=TURNS + 1))
    await rejects(world, "tools", Wanted(tools=129))
    assert world.world.upstream.requests_seen == before


async def test_row_36_malformed(protocols: OpenProtocols) -> None:
    """Bytes that are no request are MALFORMED_REQUEST."""
    world = await protocols()
    made = []
    for method in METHODS:
        result = await result_of(method, send(world.world.channel, method, GARBAGE))
        made.append((method, result.ending))
        with world.subtests.test(method=str(method)):
            assert_fails(method, result, ("INVALID_ARGUMENT", "MALFORMED_REQUEST"))
    await world.check(made)


async def without_message(
    address: str, method: ProtocolMethod, code: grpc.StatusCode, *, end: bool
) -> None:
    """Begin a call and send no message; return once it has ended with a code."""
    async with http2.connect(address) as caller:
        await caller.send(http2.call(1, method.path, end=end))
        await caller.status(code.value[0])


UNSUPPORTED = 'status 400 message="does not support images, canary"'
REJECTED = {"temperature": Wanted(temperature=1), "image": Wanted(image=True)}
PLANS = {"temperature": "status 400 param=temperature message=canary", "image": UNSUPPORTED}


@pytest.mark.parametrize("field", REJECTED)
async def test_row_10_what_the_upstream_rejects(protocols: OpenProtocols, field: str) -> None:
    """A field of the caller that the upstream rejects has the same name as before the request."""
    world = await protocols()
    made = []
    for method in ANSWERS:
        result = await world.call(method, PLANS[field], REJECTED[field])
        made.append((method, result.ending))
        with world.subtests.test(method=str(method)):
            assert_fails(method, result, INVALID, fields=[method.fields[field]])
    await world.check(made)


NO_MESSAGE: dict[str, tuple[bool, grpc.StatusCode, dict[str, float]]] = {
    "MALFORMED_REQUEST": (True, grpc.StatusCode.INVALID_ARGUMENT, {}),
    "REQUEST_TIMEOUT": (False, EXHAUSTED, {"request_timeout_seconds": 0.2}),
}


@pytest.mark.parametrize("reason", NO_MESSAGE)
async def test_rows_46_and_47_no_message(protocols: OpenProtocols, reason: str) -> None:
    """A call without a message ends when its caller says so, or when the time is over."""
    end, code, settings = NO_MESSAGE[reason]
    world = await protocols(**settings)
    address = world.world.app.address
    calls = [without_message(address, method, code, end=end) for method in METHODS]
    await asyncio.gather(*calls)
    await world.check((method, (code.name, reason)) for method in METHODS)


@pytest.mark.slow
async def test_row_39_too_large(protocols: OpenProtocols) -> None:
    """A message or metadata over the limit is RESOURCE_EXHAUSTED, by gRPC itself."""
    world = await protocols(max_request_bytes=8_192)
    metadata = (("x-large", "c" * 32_768),)
    for method in METHODS:
        oversize = send(world.world.channel, method, b"\xfa\x07" + b"x" * 8_192)
        assert await oversize.code() is EXHAUSTED
        large = begin(world.world.channel, method, metadata=metadata)
        assert await large.code() is EXHAUSTED
    await world.check([])
