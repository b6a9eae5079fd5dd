"""Rows 36 to 39: requests that are invalid or too large."""

import zlib

import grpc
import pytest

from support import http2
from support.helpers import violated_fields_of
from support.memory import MB, peak_memory, reset_peak_memory
from support.request_bytes import VALID, refused, send_bytes
from support.world import World, assert_clean, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

MALFORMED = {
    "garbage": b"\xde\xad\xbe\xef" * 8,
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "invalid UTF-8 in the content": b"\x12\x02\xff\xfe",
    "invalid UTF-8 in a nested field": b"\x1a\x04\x0a\x02\xff\xfe",
    "half a surrogate pair": b"\x12\x03\xed\xa0\x80",
    "truncated": VALID.SerializeToString()[:-1],
    "a length beyond the end": b"\x12\xff\xff\xff\xff\x07canary",
    "field number 0": b"\x02\x01a",
    "an endless number": b"\x10" + b"\xff" * 16,
    "a group that was never opened": b"\x0c",
    "nested without an end": b"\x4b" * 10_000,
}
LARGEST = 20 * MB
"""The server's default limit of a request."""
BLANK = {
    "an empty request": b"",
    "empty content": pb.Message(params=pb.Params(temperature=1)).SerializeToString(),
    "blank content": pb.Message(content=" \n\t\u00a0\u2028").SerializeToString(),
    "content of another type": b"\x10\x01",
}
OUT_OF_RANGE = {
    "params.temperature": pb.Params(temperature=2.5),
    "params.max_tokens": pb.Params(max_tokens=0),
    "params.top_p": pb.Params(top_p=float("nan")),
    "params.stop": pb.Params(stop=["canary"] * 5),
    "params.frequency_penalty": pb.Params(frequency_penalty=float("inf")),
    "params.presence_penalty": pb.Params(presence_penalty=-2.5),
    "params.user": pb.Params(user="canary" * 100),
    "params.model": pb.Params(model="canary\n"),
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
async def test_row_36_malformed_request(world: World, request_: bytes) -> None:
    """Bytes that are not an openai.Message are MALFORMED_REQUEST, without a traceback."""
    await refused(world, request_, "MALFORMED_REQUEST")


async def test_row_36_unknown_fields(world: World) -> None:
    """A valid request with fields of a later version of the API is answered."""
    later = b"\xf8\x07\x01" + b"\xfa\x07\x03abc" + b"\x1a\x04\xfa\x07\x01a"
    answers, error = await send_bytes(world, VALID.SerializeToString() + later)
    assert error is None
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    await world.check(grpc.StatusCode.OK)


@pytest.mark.parametrize("request_", BLANK.values(), ids=BLANK)
async def test_row_37_empty_prompt(world: World, request_: bytes) -> None:
    """Empty or blank content is EMPTY_PROMPT, and BadRequest names the field."""
    error = await refused(world, request_, "EMPTY_PROMPT")
    assert violated_fields_of(error) == ["content"]


@pytest.mark.parametrize("field", OUT_OF_RANGE)
async def test_row_38_parameter_out_of_range(world: World, field: str) -> None:
    """A parameter out of range is INVALID_PARAMETER, and BadRequest names it."""
    message = pb.Message(content="hello", params=OUT_OF_RANGE[field])
    error = await refused(world, message.SerializeToString(), "INVALID_PARAMETER")
    assert violated_fields_of(error) == [field]


async def test_row_38_unknown_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is not offered is UNKNOWN_MODEL, and BadRequest names the field."""
    message = pb.Message(content="hello", params=pb.Params(model="canary-model"))
    async with open_world(monkeypatch, models=frozenset({"another-model"})) as world:
        error = await refused(world, message.SerializeToString(), "UNKNOWN_MODEL")
    assert violated_fields_of(error) == ["params.model"]


async def unharmed(world: World, requests: int) -> None:
    """Check that there was no upstream request, nothing is left, and the next call is answered."""
    assert world.upstream.requests_seen == requests
    await world.succeeds("answer")


async def test_row_39_oversize_message(world: World) -> None:
    """A request over the size limit is RESOURCE_EXHAUSTED, and causes no upstream request."""
    requests = world.upstream.requests_seen
    answers, error = await world.ended(world.send("canary" * 4 * MB))
    assert answers == []
    assert error is not None
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert_clean(error.details(), error.trailing_metadata())
    await unharmed(world, requests)


async def test_row_39_oversize_message_announced(world: World) -> None:
    """A request that announces a large size is RESOURCE_EXHAUSTED before memory is allocated."""
    requests = world.upstream.requests_seen
    before = reset_peak_memory()
    async with http2.connect(world.app.address) as connection:
        await connection.send(http2.call(1), http2.message(1, b"canary", length=0xFFFF_FFFF))
        await connection.status(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert peak_memory() - before <= 10 * MB
    await unharmed(world, requests)


@pytest.mark.parametrize("size", [32_768, MB])
async def test_row_39_oversize_metadata(world: World, size: int) -> None:
    """Metadata over the limit is RESOURCE_EXHAUSTED."""
    requests = world.upstream.requests_seen
    metadata = (("x-large", "c" * size),)
    answers, error = await world.ended(world.send(metadata=metadata))
    assert answers == []
    assert error is not None
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await unharmed(world, requests)


async def test_row_39_gzip_bomb(world: World) -> None:
    """A small request that unpacks to 60 MB is RESOURCE_EXHAUSTED, and not unpacked completely."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(MB)) for _ in range(60)) + packer.flush()
    requests = world.upstream.requests_seen
    before = reset_peak_memory()
    async with http2.connect(world.app.address) as connection:
        await connection.send(
            http2.call(1, encoding="gzip"), http2.message(1, bomb, compressed=True)
        )
        await connection.status(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    # gRPC unpacks up to the limit of a request.
    assert peak_memory() - before <= LARGEST + 10 * MB
    await unharmed(world, requests)


async def test_row_39_compressed_request(world: World) -> None:
    """A compressed request within the limit is answered."""
    answers, error = await world.ended(world.send(compression=grpc.Compression.Gzip))
    assert error is None
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    await world.check(grpc.StatusCode.OK)
