"""How the demo upstream splits and ends what it writes, byte by byte."""

import json

import pytest

from support.raw_client import connect, decode, deltas, play, text_of
from tokenwire_demo import DemoUpstream


async def test_garbage_is_not_http(upstream: DemoUpstream) -> None:
    """The response does not start with a status line."""
    async with connect(upstream) as client:
        await client.ask("garbage")
        assert not (await client.reader.read()).startswith(b"HTTP/")


async def test_a_reset_is_a_reset(upstream: DemoUpstream) -> None:
    """The client can read everything sent before the reset, then gets ECONNRESET."""
    async with connect(upstream) as client:
        await client.ask("tokens 3; reset")
        await client.head()
        assert text_of(decode(await client.chunk())) == "This is tokenwire's"
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
    assert upstream.requests[0].outcome == "reset"


@pytest.mark.parametrize("plan", ["reset", "wait 0; reset"])
async def test_a_reset_may_come_before_the_headers(upstream: DemoUpstream, plan: str) -> None:
    """A reset without previous steps sends no bytes."""
    async with connect(upstream) as client:
        await client.ask(plan)
        with pytest.raises(ConnectionResetError):
            await client.reader.read()


async def test_a_close_leaves_the_body_unfinished(upstream: DemoUpstream) -> None:
    """The client sees the connection close without the last chunk."""
    async with connect(upstream) as client:
        await client.ask("tokens 1; close")
        assert not (await client.reader.read()).endswith(b"0\r\n\r\n")
    assert upstream.requests[0].outcome == "closed"


async def test_an_eof_is_a_proper_end_and_keeps_the_connection(upstream: DemoUpstream) -> None:
    """After an answer without a finish reason the connection serves the next request."""
    async with connect(upstream) as client:
        for _ in range(2):
            await client.ask("tokens 1; eof")
            assert deltas(b"".join([await client.body()]))[1:] == [{"content": "This"}]


@pytest.mark.parametrize(("ends", "line"), [("crlf", b"\r\n"), ("cr", b"\r"), ("lf", b"\n")])
async def test_lines_may_end_in_each_of_the_three_ways(
    upstream: DemoUpstream, ends: str, line: bytes
) -> None:
    """Every line of the event stream ends with the selected line end."""
    body = await play(upstream, f"line-ends {ends}; error-event; answer")
    assert body.replace(line, b"\n").endswith(b"[DONE]\n\n")
    assert body.count(line) == body.replace(line, b"\n").count(b"\n")
    assert {b"\r", b"\n"} & {bytes([one]) for one in body} == {bytes([one]) for one in line}


@pytest.mark.parametrize("writes", ["auto", "batch"])
async def test_events_go_out_together(upstream: DemoUpstream, writes: str) -> None:
    """An answer without pauses is sent in one write."""
    async with connect(upstream) as client:
        await client.ask(f"writes {writes}; answer")
        await client.head()
        assert len(await client.chunks()) == 1


async def test_a_batch_waits_even_when_paced(upstream: DemoUpstream) -> None:
    """With `writes batch` nothing is sent before a pause or the end of the plan."""
    async with connect(upstream) as client:
        await client.ask("writes batch; pace tokens-per-second=1000; tokens 3; wait 0; rest")
        await client.head()
        assert text_of(decode(await client.chunk())) == "This is tokenwire's"
        assert len(await client.chunks()) == 1


async def test_events_may_go_out_one_by_one(upstream: DemoUpstream) -> None:
    """With `writes event` each event is a separate chunk."""
    async with connect(upstream) as client:
        await client.ask("writes event; error-event; answer")
        await client.head()
        chunks = await client.chunks()
    assert len(chunks) > 30
    assert all(chunk.count(b"\n\n") == 1 for chunk in chunks)


async def test_bytes_may_go_out_one_by_one(upstream: DemoUpstream) -> None:
    """With `writes byte` each byte of the body is a separate chunk."""
    async with connect(upstream) as client:
        await client.ask("writes byte; text é")
        await client.head()
        chunks = await client.chunks()
    assert {len(chunk) for chunk in chunks} == {1}
    assert text_of(decode(b"".join(chunks))) == "é"


async def test_characters_may_be_torn(upstream: DemoUpstream) -> None:
    """With `writes split-utf8` each byte of a multi-byte character is in a separate write."""
    async with connect(upstream) as client:
        await client.ask('writes split-utf8; text "é🙂z"')
        await client.head()
        chunks = await client.chunks()
    assert text_of(decode(b"".join(chunks))) == "é🙂z"
    assert [chunk[:1] for chunk in chunks[1:]] == [b"\xa9", b"\x9f", b"\x99", b"\x82"]


async def test_paced_tokens_go_out_one_per_write(upstream: DemoUpstream) -> None:
    """With a pace, each token is sent without waiting for the next."""
    async with connect(upstream) as client:
        await client.ask("pace tokens-per-second=1000; tokens 5")
        await client.head()
        assert [chunk.count(b'"content":') for chunk in (await client.chunks())[-4:]] == [1] * 4


async def test_an_old_client_gets_a_body_that_ends_with_the_connection(
    upstream: DemoUpstream,
) -> None:
    """A response to HTTP/1.0 has no chunks and ends with the connection."""
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    )
    async with connect(upstream) as client:
        head = f"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: {len(body)}\r\n\r\n"
        await client.send((head + body).encode())
        _, headers = await client.head()
        assert headers["connection"] == "close"
        assert decode(await client.reader.read())[-1] == "[DONE]"


async def test_requests_may_be_sent_ahead(upstream: DemoUpstream) -> None:
    """A second request that arrives during the first is answered after it."""
    async with connect(upstream) as client:
        await client.ask("tokens 1; barrier ahead")
        await client.ask("tokens 2")
        await upstream.barrier("ahead").reached()
        upstream.barrier("ahead").release()
        assert text_of(await client.events()) == "This"
        assert text_of(await client.events()) == "This is"


async def test_a_client_may_wait_for_100_continue(upstream: DemoUpstream) -> None:
    """The upstream sends 100 Continue before it reads the body."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    async with connect(upstream) as client:
        await client.send((head + "expect: 100-continue\r\n\r\n").encode())
        assert (await client.head())[0] == 100
        await client.send(body.encode())
        assert (await client.head())[0] == 200


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\r\n\r\n", b"GET\r\n\r\n"])
async def test_what_is_not_http_gets_a_400_and_a_close(upstream: DemoUpstream, sent: bytes) -> None:
    """A client that does not send HTTP gets a 400, and the connection is closed."""
    async with connect(upstream) as client:
        await client.send(sent)
        assert (await client.reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("what", "head"),
    [
        ("response", b"HTTP/1.1 200 OK\r\n"),
        ("timeout", b"HTTP/1.1 408 Request Timeout\r\n"),
        ("head", b"HTTP/1.1 200 OK\r\n"),
    ],
)
async def test_a_stray_follows_a_whole_answer(
    upstream: DemoUpstream, what: str, head: bytes
) -> None:
    """A complete response is followed by another, unrequested head."""
    async with connect(upstream) as client:
        await client.ask(f"tokens 3; stray {what}")
        await client.body()
        assert await client.reader.readexactly(len(head)) == head
    assert upstream.requests[0].outcome == "complete"
