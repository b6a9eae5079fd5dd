"""Any bytes from a caller or the upstream lead to a result of the failure table."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soak.failure_table import ROWS
from soak.traffic import PlannedCall, run
from support.mutation import in_pieces, mutated
from support.raw_upstream import ANSWER, HEAD, RawUpstream, raw_upstream
from support.world import World, assert_clean, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

HANG_SECONDS: Final = 10
"""Below all timeouts of the server, none of which may be needed once the upstream has left."""

one_world_for_all = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""A call leaves nothing behind in the world, and one world for each call would take minutes."""

TEXTS = st.text(max_size=20)
NUMBERS = st.floats(width=32) | st.floats(0, 1, width=32)
MESSAGES = st.builds(
    pb.Message,
    content=TEXTS | st.just("hello"),
    system=st.none() | TEXTS,
    history=st.lists(st.builds(pb.Turn, role=st.integers(0, 4), content=TEXTS), max_size=3),
    params=st.builds(
        pb.Params,
        model=st.just("") | TEXTS,
        temperature=st.none() | NUMBERS,
        max_tokens=st.none() | st.integers(-(2**31), 2**31 - 1) | st.integers(1, 9),
        top_p=st.none() | NUMBERS,
        stop=st.lists(TEXTS, max_size=5),
        seed=st.none() | st.integers(-(2**63), 2**63 - 1),
        frequency_penalty=st.none() | NUMBERS,
        presence_penalty=st.none() | NUMBERS,
        user=TEXTS,
    ),
)
REQUESTS = st.one_of(
    mutated(st.builds(pb.Message.SerializeToString, MESSAGES)), st.binary(max_size=100)
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats()),
        st.text(st.characters(), max_size=9),  # with lone surrogates, which JSON can contain
        st.sampled_from(["", "stop", "length", "content_filter", "tool_calls", 0, 2**53, 2**64]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=4,
)


def object_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return objects in which each field may be missing, valid or of any other value."""
    either = {name: st.one_of(value, value, JSON) for name, value in fields.items()}
    return st.one_of(*[st.fixed_dictionaries({}, optional=either)] * 8, JSON)


COUNTS = st.integers(0, 9)
CHUNKS = object_of(
    id=st.just("a-1"),
    model=st.just("raw-model"),
    choices=st.lists(
        object_of(
            index=st.just(0),
            delta=object_of(content=st.text(max_size=5), refusal=st.none()),
            finish_reason=st.sampled_from([None, "stop"]),
        ),
        max_size=2,
    ),
    usage=object_of(
        prompt_tokens=COUNTS,
        completion_tokens=COUNTS,
        prompt_tokens_details=object_of(cached_tokens=COUNTS),
        completion_tokens_details=object_of(reasoning_tokens=COUNTS),
    ),
    error=st.none(),
)
EVENTS = st.builds(
    lambda chunks: b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in chunks),
    st.lists(CHUNKS, max_size=4),
)
ODD_HEADERS = st.sampled_from(
    [
        *(b"retry-after: " + value for value in (b"1", b"-1", b"1.5", b"9" * 30, b"9" * 400)),
        b"retry-after: Mon, 01 Jan 0001 00:00:00 -0000",
        b"retry-after: Fri, 31 Dec 9999 23:59:59 GMT",
        b"retry-after: Mon, 1 Jan 99999999999999 00:00:00 GMT",
        *(b"location: " + value for value in (b"http://[", b"\xff", b"//", b"https://x:99999")),
        *(b"content-encoding: " + value for value in (b"gzip", b"deflate", b"br", b"gzip, x")),
        *(b"content-length: " + value for value in (b"0", b"5", b"-1", b"99999", b"x")),
        *(b"content-type: " + value for value in (b"text/html", b"\xff", b"application/json")),
        *(b"transfer-encoding: " + value for value in (b"chunked", b"gzip", b"identity")),
        *(b"set-cookie: " + value for value in (b"a=b", b"=; expires=0", b"\xff=\xff")),
        *(b"x: " + b"y" * 70_000, b"connection: keep-alive", b"connection: upgrade", b"\0"),
    ]
)
STATUSES = st.integers(100, 599) | st.sampled_from([200, 302, 400, 429, 503])
RESPONSES = st.builds(
    lambda status, headers, body: (
        b"HTTP/1.1 %d X\r\n%b\r\n%b" % (status, b"".join(each + b"\r\n" for each in headers), body)
    ),
    STATUSES,
    st.lists(ODD_HEADERS, max_size=3),
    mutated(st.just(ANSWER)) | st.binary(max_size=50),
)


@pytest.fixture
async def raw() -> AsyncIterator[RawUpstream]:
    async with raw_upstream() as upstream:
        yield upstream


@pytest.fixture
async def raw_world(monkeypatch: pytest.MonkeyPatch, raw: RawUpstream) -> AsyncIterator[World]:
    async with open_world(monkeypatch, base_url=raw.base_url) as opened:
        yield opened


async def send(world: World, request: bytes) -> None:
    """Make a call and check that it ends as the failure table specifies, with a clean log."""
    planned = PlannedCall("fuzz", request, frozenset(ROWS) - {31, 32, 33})
    async with asyncio.timeout(HANG_SECONDS):
        ending = await run(planned, world.app.address, world.channel)
    log = world.log.getvalue()
    world.log.seek(0)
    world.log.truncate()
    assert not ending.problem(planned.rows), log
    assert_clean(ending.shown, log)
    assert "Traceback" not in log
    assert '"level": "error"' not in log


async def answered_with(world: World, raw: RawUpstream, pieces: Sequence[bytes]) -> None:
    raw.pieces = pieces
    await send(world, pb.Message(content="canary").SerializeToString())


@one_world_for_all
@given(request=REQUESTS)
async def test_fuzz_requests(world: World, request: bytes) -> None:
    """A request of any bytes is answered, or rejected as the failure table specifies."""
    await send(world, request)


@one_world_for_all
@given(pieces=in_pieces(mutated(st.just(ANSWER)) | st.binary(max_size=200)))
async def test_fuzz_bodies(raw_world: World, raw: RawUpstream, pieces: list[bytes]) -> None:
    """A damaged body, split anywhere, is an answer or a failure of the table."""
    await answered_with(raw_world, raw, [HEAD, *pieces])


@one_world_for_all
@given(events=EVENTS)
@example(events=b"data: " + b"[" * 100_000 + b"\n\n")
@example(events=b'data: {"usage": {"prompt_tokens": ' + b"9" * 5_000 + b"}}\n\n")
async def test_fuzz_chunks(raw_world: World, raw: RawUpstream, events: bytes) -> None:
    """Chunks with any value in any field lead to an answer or a failure of the table."""
    await answered_with(raw_world, raw, [HEAD, events])


@one_world_for_all
@example(pieces=[b"H", b"TTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n", b"no chunk"])
@given(pieces=in_pieces(RESPONSES | mutated(RESPONSES)))
async def test_fuzz_responses(raw_world: World, raw: RawUpstream, pieces: list[bytes]) -> None:
    """Any response, even if it is not HTTP, leads to an answer or a failure of the table."""
    await answered_with(raw_world, raw, pieces)
