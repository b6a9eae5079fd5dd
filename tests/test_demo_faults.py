"""The faults that the steps of a plan send."""

import gzip
import zlib

import httpx2
import pytest

from support.raw_client import ask_whole, connect, decode, play, text_of
from tokenwire_demo import DemoUpstream


async def test_headers_come_alone_and_may_be_any(upstream: DemoUpstream) -> None:
    """A headers step sends status and headers immediately, before any event."""
    async with connect(upstream) as client:
        await client.ask("headers status=201 x-canary=bird; barrier before-body; tokens 1")
        status, headers = await client.head()
        assert (status, headers["x-canary"]) == (201, "bird")
        assert headers["content-type"].startswith("text/event-stream")
        upstream.barrier("before-body").release()
        assert text_of(decode(b"".join(await client.chunks()))) == "This"


async def test_a_status_has_an_openai_error_object(upstream: DemoUpstream) -> None:
    """A status step sends a complete response with the given code, type, message and headers."""
    plan = "status 429 code=insufficient_quota error-type=quota message=canary retry-after=2"
    response = await ask_whole(upstream, plan)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.json() == {
        "error": {
            "message": "canary",
            "type": "quota",
            "param": None,
            "code": "insufficient_quota",
        }
    }


async def test_a_status_may_have_html_or_nothing(upstream: DemoUpstream) -> None:
    """The body of an error may be an HTML page or empty, as gateways send it."""
    page = await ask_whole(upstream, "status 502 body=html message=canary")
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>canary</h1>" in page.text
    assert (await ask_whole(upstream, "status 503 body=empty")).content == b""


async def test_a_status_may_have_a_body_of_any_size(upstream: DemoUpstream) -> None:
    """A flood body has exactly the given size and begins with the message."""
    response = await ask_whole(upstream, "status 500 body=flood size=1MB message=canary")
    assert len(response.content) == 1_000_000
    assert response.content.startswith(b"canaryxxx")


async def test_a_redirect_sends_clients_elsewhere(upstream: DemoUpstream) -> None:
    """A client that follows the redirect reaches the second upstream."""
    async with DemoUpstream() as trap, httpx2.AsyncClient(follow_redirects=True) as client:
        target = f"{trap.base_url}/chat/completions"
        upstream.script(f"redirect {target}")
        response = await client.post(
            f"{upstream.base_url}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "secret"}]},
        )
        assert response.history[0].status_code == 307
        assert trap.requests[0].body["messages"][0]["content"] == "secret"


EVENTS = [
    ("bad-json", b'data: {"choices":[{"index":0,"delta":{"content":"unfin\n\n'),
    ("non-object", b'data: ["not","an","object"]\n\n'),
    ("data [1,null]", b"data: [1,null]\n\n"),
    ("data plain", b"data: plain\n\n"),
    ('data "two words"', b"data: two words\n\n"),
    ('raw "\\ufeffid: 1\\n\\n"', b"\xef\xbb\xbfid: 1\n\n"),
    ('raw "\\ud800"', b"\xed\xa0\x80"),
]


async def test_malformed_events_stand_on_the_wire_as_documented(
    upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Each malformed event is sent as exactly these bytes."""
    for step, data in EVENTS:
        with subtests.test(step=step, data=data):
            assert await play(upstream, step) == data


FLAWS = [
    ("invalid-utf8", b'"content":"\xff\xfe"'),
    ("lone-surrogate", b'"content":"\\ud800"'),
    ('text "\\ud800"', b'"content":"\\ud800"'),
    ("empty-choices", b'"choices":[]'),
    ("null-choices", b'"choices":null'),
    ("null-delta", b'"delta":null'),
    ("null-content", b'"delta":{"content":null}'),
    ("null-usage", b'"choices":[],"usage":null}'),
    ("error code=c", b'data: {"error":{"message":"the demo upstream was told to fail"'),
    ("error-event", b'event: error\ndata: {"error":{'),
]


async def test_malformed_chunks_have_the_documented_flaw(
    upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """The chunk has the flaw, and the answer continues after it."""
    for step, part in FLAWS:
        with subtests.test(step=step, part=part):
            body = await play(upstream, f"{step}; answer")
            assert body.count(part) == 1
            assert body.endswith(b"data: [DONE]\n\n")


async def test_data_may_come_after_done(upstream: DemoUpstream) -> None:
    """The body may continue after [DONE]."""
    *_, done, late = decode(await play(upstream, 'answer; text " late"'))
    assert done == "[DONE]"
    assert text_of([late]) == " late"


async def test_comments_are_not_events(upstream: DemoUpstream) -> None:
    """A comments step sends lines that start with a colon."""
    body = await play(upstream, "comments every=0 count=3; text x")
    assert [line[:1] for line in body.splitlines() if line] == [b":"] * 3 + [b"d"] * 2


@pytest.mark.parametrize("plan", ["comments every=0", "drip every=0", "drip", "comments"])
async def test_some_steps_never_end(upstream: DemoUpstream, plan: str) -> None:
    """The steps continue until the client leaves."""
    async with connect(upstream) as client:
        await client.ask(plan)
        await client.head()
        for _ in range(10):
            assert await client.chunk()
    await upstream.wait_until_idle()
    assert upstream.requests[0].outcome == "client gone"


async def test_a_big_delta_has_its_size(upstream: DemoUpstream) -> None:
    """The text of the only delta has exactly the given size."""
    assert len(text_of(decode(await play(upstream, "big-delta 1MB; done")))) == 1_000_000


async def test_a_line_may_be_of_any_length(upstream: DemoUpstream) -> None:
    """The given number of bytes contains no line end."""
    body = await play(upstream, "no-newline 1MB")
    assert len(body) == 1_000_000
    assert b"\n" not in body


async def test_a_gzip_bomb_unpacks_to_its_size(upstream: DemoUpstream) -> None:
    """A small compressed body decompresses to the given size."""
    async with connect(upstream) as client:
        await client.ask("gzip-bomb 20MB")
        status, headers = await client.head()
        packed = b"".join(await client.chunks())
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) == 20_000_000
    assert zlib.decompressobj(wbits=31).decompress(packed, 9) == b"data: xxx"
