"""Row 49: bytes that no request asked for never reach another caller."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from support.app import MODEL, StartApp, Stub
from support.helpers import collect, text_of
from support.keepalive_upstream import (
    CHUNKED,
    END,
    LAST_CHUNK,
    KeepAliveUpstream,
    Line,
    chunk,
    events,
    keepalive_upstream,
    sized,
    whole,
)
from tokenwire.core.attempts import Attempts
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.http.pool import Request
from tokenwire.upstreams.openai.endpoint import Credentials
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

FOREIGN = "foreign"
SECONDS = 10.0

STRAYS = {
    "a second response": whole(FOREIGN),
    "a second response of a known length": sized(FOREIGN),
    "a timeout": b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    "a bare head": CHUNKED,
    "half a head": CHUNKED[:-20],
    "one byte of a head": CHUNKED[:1],
    "an empty line and one byte": b"\r\n" + CHUNKED[:1],
    "an early hint": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "no HTTP": b"\x16\x03\x01 this is not HTTP\r\n\r\n",
    "a chunk too many": chunk(events(FOREIGN)),
}


@pytest.fixture
async def raw() -> AsyncIterator[KeepAliveUpstream]:
    async with keepalive_upstream() as running:
        yield running


@pytest.fixture
async def stub(start_app: StartApp, raw: KeepAliveUpstream) -> AsyncIterator[Stub]:
    app = await start_app(base_url=raw.base_url)
    async with grpc.aio.insecure_channel(app.address) as channel:
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


async def ask(stub: Stub, content: str) -> str:
    """Return the text of an answer; the call must succeed."""
    async with asyncio.timeout(SECONDS):
        return text_of(await collect(stub.Send(pb.Message(content=content))))


@pytest.mark.parametrize("response", [whole, sized])
@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("head_alone", [True, False])
async def test_row_49_right_behind_an_answer(
    stub: Stub, raw: KeepAliveUpstream, stray: bytes, response: Any, *, head_alone: bool
) -> None:
    """Bytes that arrive right after an answer close the connection, and both calls are OK."""

    async def behave(line: Line, content: str) -> None:
        if content != "first":
            # If the connection is reused, this completes the stray response.
            await line.send(whole(FOREIGN) * line.reused + whole(content))
            return
        data = response(content)
        body = data.index(b"\r\n\r\n") + 4 if head_alone else 0
        if body:
            await line.send(data[:body])
        await line.send(data[body:] + stray)

    raw.behave = behave
    assert await ask(stub, "first") == "first"
    assert await ask(stub, "second") == "second"
    assert [line.requests for line in raw.lines] == [["first"], ["second"]]


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
async def test_row_49_on_an_idle_connection(
    stub: Stub, raw: KeepAliveUpstream, stray: bytes
) -> None:
    """Bytes on an idle connection close it, and the next call uses another connection."""
    assert await ask(stub, "first") == "first"
    await raw.lines[0].send(stray)
    async with asyncio.timeout(SECONDS):
        await raw.lines[0].closed.wait()
    assert await ask(stub, "second") == "second"
    assert [line.requests for line in raw.lines] == [["first"], ["second"]]


async def test_a_good_connection_is_used_again(stub: Stub, raw: KeepAliveUpstream) -> None:
    """Without stray bytes, calls reuse one connection, whatever their framing."""
    for content, response in (("a", whole), ("b", sized), ("c", with_trailers), ("d", hinted)):

        async def behave(line: Line, content: str, response: Any = response) -> None:
            await line.send(response(content))

        raw.behave = behave
        assert await ask(stub, content) == content
    assert [line.requests for line in raw.lines] == [["a", "b", "c", "d"]]


def with_trailers(content: str) -> bytes:
    """Return a chunked response with a trailer."""
    return whole(content).removesuffix(LAST_CHUNK) + b"0\r\nx-checked: yes\r\n\r\n"


def hinted(content: str) -> bytes:
    """Return a response after an informational one."""
    return b"HTTP/1.1 103 Early Hints\r\n\r\n" + whole(content)


@pytest.mark.parametrize("length", [2, 100_000])
async def test_row_49_an_errors_body(stub: Stub, raw: KeepAliveUpstream, length: int) -> None:
    """The unread rest of an error body is not taken for the next response."""
    error = b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n" % length

    async def behave(line: Line, content: str) -> None:
        await line.send(error + b"{}" if content == "first" else whole(content))

    raw.behave = behave
    with pytest.raises(Exception, match="credentials"):
        await ask(stub, "first")
    assert await ask(stub, "second") == "second"
    assert len(raw.lines) == (1 if length == len("{}") else 2)


async def test_row_49_a_cancelled_answer(stub: Stub, raw: KeepAliveUpstream) -> None:
    """The rest of a cancelled answer reaches no other caller."""
    left = asyncio.Event()

    async def behave(line: Line, content: str) -> None:
        if content != "first":
            await line.send(whole(content))
            return
        await line.send(CHUNKED + chunk(events(content)))
        await left.wait()
        await line.send(chunk(events(FOREIGN)) + chunk(END) + LAST_CHUNK + whole(FOREIGN))

    raw.behave = behave
    call = stub.Send(pb.Message(content="first"))
    await call.read()
    call.cancel()
    left.set()
    texts = await asyncio.gather(*(ask(stub, f"next {number}") for number in range(5)))
    assert texts == [f"next {number}" for number in range(5)]
    assert raw.lines[0].requests == ["first"]


async def text_from(upstream: Upstream, content: str) -> str:
    """Return the text of an answer that is requested without a server in between."""
    payload = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    text = ""
    with await upstream.open(payload, Attempts()) as events:
        while (batch := await events.read()) is not None:
            text += "".join(str(event.data) for event in batch)
    return text


async def test_row_49_bytes_still_in_the_kernel(raw: KeepAliveUpstream) -> None:
    """Stray bytes are found even if they are still in the kernel's buffer."""
    upstream = Upstream(raw.base_url, Credentials(), HttpClient(SECONDS, None))
    assert "first" in await text_from(upstream, "first")
    raw.lines[0].write(whole(FOREIGN))
    # No other task runs until this one has taken a connection.
    text = await text_from(upstream, "second")
    assert "second" in text
    assert FOREIGN not in text
    assert [line.requests for line in raw.lines] == [["first"], ["second"]]
    await upstream.aclose()


async def test_row_49_bytes_before_the_request(
    raw: KeepAliveUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stray bytes that arrive between taking a connection and writing the request are found too."""
    upstream = Upstream(raw.base_url, Credentials(), HttpClient(SECONDS, None))
    assert "first" in await text_from(upstream, "first")
    write = Request.write_bytes

    async def late(request: Request, *arguments: Any) -> None:
        if not request.attempt.fresh:
            raw.lines[0].write(whole(FOREIGN))
        await write(request, *arguments)

    monkeypatch.setattr(Request, "write_bytes", late)
    text = await text_from(upstream, "second")
    assert "second" in text
    assert FOREIGN not in text
    assert [line.requests for line in raw.lines] == [["first"], ["second"]]
    await upstream.aclose()


async def test_row_49_a_caught_upstream_is_not_trusted(stub: Stub, raw: KeepAliveUpstream) -> None:
    """After one stray byte, no connection is reused for a while, because more may arrive late."""
    assert await ask(stub, "first") == "first"
    await raw.lines[0].send(b"H")
    async with asyncio.timeout(SECONDS):
        await raw.lines[0].closed.wait()
    for number in range(3):
        assert await ask(stub, f"call {number}") == f"call {number}"
    assert [len(line.requests) for line in raw.lines] == [1] * 4
