"""What the steps of a plan put on the wire."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import httpx2
import pytest

from raw_client import connect, decode, text_of
from tokenwire.demo import DemoUpstream


async def play(upstream: DemoUpstream, plan: str, **fields: Any) -> bytes:
    """Return the whole body of a plan that ends in good order."""
    async with connect(upstream) as client:
        await client.ask(plan, **fields)
        return await client.body()


async def whole(upstream: DemoUpstream, plan: str) -> httpx2.Response:
    """Return the answer to a request that does not stream."""
    async with httpx2.AsyncClient() as client:
        return await client.post(
            f"{upstream.base_url}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "hello"}]},
            headers={"x-demo-plan": plan},
        )


def deltas(body: bytes) -> list[Any]:
    return [one["choices"][0]["delta"] for one in decode(body) if one != "[DONE]"]


async def test_steps_continue_where_the_last_one_stopped(upstream: DemoUpstream) -> None:
    """Tokens, rest, finish, usage and done together are the well-behaved answer."""
    options = {"include_usage": True}
    apart = decode(await play(upstream, "tokens 2; rest; finish; usage; done"))
    at_once = decode(await play(upstream, "answer", stream_options=options))
    assert text_of(apart) == text_of(at_once)
    assert apart[-2]["usage"] == at_once[-2]["usage"]
    assert apart[-1] == at_once[-1] == "[DONE]"


async def test_text_is_sent_exactly(upstream: DemoUpstream) -> None:
    """A text step is one delta with precisely this text, NUL and quotes included."""
    text = 'a;b ]"\\\n\0é🙂'
    body = await play(upstream, f"text {json.dumps(text)}")
    assert deltas(body)[1:] == [{"content": text}]


async def test_filler_has_the_length_asked_for(upstream: DemoUpstream) -> None:
    """A filler step makes answers of any length, counted in usage."""
    events = decode(await play(upstream, "filler 300 word=la; finish; usage"))
    assert text_of(events) == " la" * 300
    assert events[-1]["usage"]["completion_tokens"] == 300
    assert upstream.requests[0].tokens_sent == 300


async def test_refusal_and_reasoning_are_deltas_of_their_own(upstream: DemoUpstream) -> None:
    """Refusals and reasoning come in their fields, and reasoning counts as such."""
    events = decode(await play(upstream, 'reasoning "a b"; refusal "c d"; finish; usage'))
    assert [one["choices"][0]["delta"] for one in events[1:5]] == [
        {"reasoning_content": "a"},
        {"reasoning_content": " b"},
        {"refusal": "c"},
        {"refusal": " d"},
    ]
    usage = events[-1]["usage"]
    assert usage["completion_tokens"] == 4
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 2


async def test_reasoning_may_come_in_another_field(upstream: DemoUpstream) -> None:
    """The field of the reasoning is settable, for the servers differ."""
    assert deltas(await play(upstream, "reasoning why field=reasoning"))[1:] == [
        {"reasoning": "why"}
    ]


async def test_a_tool_call_names_its_tool(upstream: DemoUpstream) -> None:
    """A tool-call step is a delta with one call."""
    call = deltas(await play(upstream, "tool-call weather"))[1]["tool_calls"][0]
    assert call["function"]["name"] == "weather"


async def test_usage_may_be_any_numbers(upstream: DemoUpstream) -> None:
    """The values given replace the true counts, the others stay true."""
    usage = decode(await play(upstream, "tokens 4; usage prompt=9 cached=3 reasoning=2"))[-1]
    assert usage["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls", "anything"])
async def test_finish_may_have_any_reason(upstream: DemoUpstream, reason: str) -> None:
    """The finish reason given is the one sent."""
    event = decode(await play(upstream, f"finish {reason}"))[-1]
    assert event["choices"][0]["finish_reason"] == reason


async def test_headers_come_alone_and_may_be_any(upstream: DemoUpstream) -> None:
    """A headers step sends status and headers at once, before any event."""
    async with connect(upstream) as client:
        await client.ask("headers status=201 x-canary=bird; barrier before-body; tokens 1")
        status, headers = await client.head()
        assert (status, headers["x-canary"]) == (201, "bird")
        assert headers["content-type"].startswith("text/event-stream")
        upstream.barrier("before-body").release()
        assert text_of(decode(b"".join(await client.chunks()))) == "This"


async def test_a_status_has_an_openai_error_object(upstream: DemoUpstream) -> None:
    """An error of a given code, type and message, with headers, is a whole response."""
    plan = "status 429 code=insufficient_quota error-type=quota message=canary retry-after=2"
    response = await whole(upstream, plan)
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
    """Gateways answer with a page, or with nothing."""
    page = await whole(upstream, "status 502 body=html message=canary")
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>canary</h1>" in page.text
    assert (await whole(upstream, "status 503 body=empty")).content == b""


async def test_a_status_may_have_a_body_of_any_size(upstream: DemoUpstream) -> None:
    """A flood body has exactly the size asked for and begins with the message."""
    response = await whole(upstream, "status 500 body=flood size=1MB message=canary")
    assert len(response.content) == 1_000_000
    assert response.content.startswith(b"canaryxxx")


async def test_a_redirect_sends_clients_elsewhere(upstream: DemoUpstream) -> None:
    """A second upstream sees who follows."""
    async with DemoUpstream() as trap, httpx2.AsyncClient(follow_redirects=True) as client:
        target = f"{trap.base_url}/chat/completions"
        upstream.script(f"redirect {target}")
        response = await client.post(
            f"{upstream.base_url}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "secret"}]},
        )
        assert response.history[0].status_code == 307
        assert trap.requests[0].body["messages"][0]["content"] == "secret"


async def test_garbage_is_not_http(upstream: DemoUpstream) -> None:
    """What comes first is not a status line."""
    async with connect(upstream) as client:
        await client.ask("garbage")
        assert not (await client.reader.read()).startswith(b"HTTP/")


async def test_a_reset_is_a_reset(upstream: DemoUpstream) -> None:
    """The client reads all that came before, then gets ECONNRESET."""
    async with connect(upstream) as client:
        await client.ask("tokens 3; reset")
        await client.head()
        assert text_of(decode(await client.chunk())) == "This is tokenwire's"
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
    assert upstream.requests[0].outcome == "reset"


@pytest.mark.parametrize("plan", ["reset", "wait 0; reset"])
async def test_a_reset_may_come_before_the_headers(upstream: DemoUpstream, plan: str) -> None:
    """A reset alone sends nothing at all."""
    async with connect(upstream) as client:
        await client.ask(plan)
        with pytest.raises(ConnectionResetError):
            await client.reader.read()


async def test_a_close_leaves_the_body_unfinished(upstream: DemoUpstream) -> None:
    """The client sees the end of the connection without the last chunk."""
    async with connect(upstream) as client:
        await client.ask("tokens 1; close")
        assert not (await client.reader.read()).endswith(b"0\r\n\r\n")
    assert upstream.requests[0].outcome == "closed"


async def test_an_eof_is_a_proper_end_and_keeps_the_connection(upstream: DemoUpstream) -> None:
    """After an answer without finish reason the next request is served."""
    async with connect(upstream) as client:
        for _ in range(2):
            await client.ask("tokens 1; eof")
            assert deltas(b"".join([await client.body()]))[1:] == [{"content": "This"}]


@pytest.mark.parametrize(
    ("step", "data"),
    [
        ("bad-json", b'data: {"choices":[{"index":0,"delta":{"content":"unfin\n\n'),
        ("non-object", b'data: ["not","an","object"]\n\n'),
        ("data [1,null]", b"data: [1,null]\n\n"),
        ("data plain", b"data: plain\n\n"),
        ('data "two words"', b"data: two words\n\n"),
        ('raw "\\ufeffid: 1\\n\\n"', b"\xef\xbb\xbfid: 1\n\n"),
        ('raw "\\ud800"', b"\xed\xa0\x80"),
    ],
)
async def test_malformed_events_stand_on_the_wire_as_documented(
    upstream: DemoUpstream, step: str, data: bytes
) -> None:
    """These bytes are exactly what the client gets."""
    assert await play(upstream, step) == data


@pytest.mark.parametrize(
    ("step", "part"),
    [
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
    ],
)
async def test_malformed_chunks_have_the_documented_flaw(
    upstream: DemoUpstream, step: str, part: bytes
) -> None:
    """The flaw is there, and the answer goes on after it."""
    body = await play(upstream, f"{step}; answer")
    assert body.count(part) == 1
    assert body.endswith(b"data: [DONE]\n\n")


async def test_data_may_come_after_done(upstream: DemoUpstream) -> None:
    """[DONE] does not end the body by itself."""
    *_, done, late = decode(await play(upstream, 'answer; text " late"'))
    assert done == "[DONE]"
    assert text_of([late]) == " late"


@pytest.mark.parametrize(("ends", "line"), [("crlf", b"\r\n"), ("cr", b"\r"), ("lf", b"\n")])
async def test_lines_may_end_in_each_of_the_three_ways(
    upstream: DemoUpstream, ends: str, line: bytes
) -> None:
    """Every line of the event stream ends in the way asked for."""
    body = await play(upstream, f"line-ends {ends}; error-event; answer")
    assert body.replace(line, b"\n").endswith(b"[DONE]\n\n")
    assert body.count(line) == body.replace(line, b"\n").count(b"\n")
    assert {b"\r", b"\n"} & {bytes([one]) for one in body} == {bytes([one]) for one in line}


@pytest.mark.parametrize("writes", ["auto", "batch"])
async def test_events_go_out_together(upstream: DemoUpstream, writes: str) -> None:
    """An answer without pauses is one write."""
    async with connect(upstream) as client:
        await client.ask(f"writes {writes}; answer")
        await client.head()
        assert len(await client.chunks()) == 1


async def test_a_batch_waits_even_when_paced(upstream: DemoUpstream) -> None:
    """With writes batch nothing goes out before the end or a pause of the plan."""
    async with connect(upstream) as client:
        await client.ask("writes batch; pace tokens-per-second=1000; tokens 3; wait 0; rest")
        await client.head()
        assert text_of(decode(await client.chunk())) == "This is tokenwire's"
        assert len(await client.chunks()) == 1


async def test_events_may_go_out_one_by_one(upstream: DemoUpstream) -> None:
    """With writes event each event is a chunk of its own."""
    async with connect(upstream) as client:
        await client.ask("writes event; error-event; answer")
        await client.head()
        chunks = await client.chunks()
    assert len(chunks) > 30
    assert all(chunk.count(b"\n\n") == 1 for chunk in chunks)


async def test_bytes_may_go_out_one_by_one(upstream: DemoUpstream) -> None:
    """Each byte of the body is a chunk of its own."""
    async with connect(upstream) as client:
        await client.ask("writes byte; text é")
        await client.head()
        chunks = await client.chunks()
    assert {len(chunk) for chunk in chunks} == {1}
    assert text_of(decode(b"".join(chunks))) == "é"


async def test_characters_may_be_torn(upstream: DemoUpstream) -> None:
    """Each byte of a multi-byte character goes out in another write."""
    async with connect(upstream) as client:
        await client.ask('writes split-utf8; text "é🙂z"')
        await client.head()
        chunks = await client.chunks()
    assert text_of(decode(b"".join(chunks))) == "é🙂z"
    assert [chunk[:1] for chunk in chunks[1:]] == [b"\xa9", b"\x9f", b"\x99", b"\x82"]


async def test_paced_tokens_go_out_one_per_write(upstream: DemoUpstream) -> None:
    """With a pace set, no token waits for the next."""
    async with connect(upstream) as client:
        await client.ask("pace tokens-per-second=1000; tokens 5")
        await client.head()
        assert [chunk.count(b'"content":') for chunk in (await client.chunks())[-4:]] == [1] * 4


async def test_times_are_settable_for_the_server_and_for_a_request() -> None:
    """Time to first token and pace take at least as long as they say; a plan changes both."""
    loop = asyncio.get_running_loop()
    async with DemoUpstream(time_to_first_token=0.05, tokens_per_second=100) as upstream:
        started = loop.time()
        await play(upstream, "tokens 6")
        assert loop.time() - started >= 0.1
        record = upstream.requests[0]
        await play(upstream, "pace 0 0; tokens 6")
        faster = upstream.requests[1]
    assert record.ended is not None
    assert faster.ended is not None
    assert faster.ended - faster.started < record.ended - record.started


async def test_comments_are_not_events(upstream: DemoUpstream) -> None:
    """A comments step sends lines that begin with a colon."""
    body = await play(upstream, "comments every=0 count=3; text x")
    assert [line[:1] for line in body.splitlines() if line] == [b":"] * 3 + [b"d"] * 2


@pytest.mark.parametrize("plan", ["comments every=0", "drip every=0", "drip", "comments"])
async def test_some_steps_never_end(upstream: DemoUpstream, plan: str) -> None:
    """They go on until the client has had enough."""
    async with connect(upstream) as client:
        await client.ask(plan)
        await client.head()
        for _ in range(10):
            assert await client.chunk()
    await upstream.wait_until_idle()
    assert upstream.requests[0].outcome == "client gone"


async def test_a_big_delta_has_its_size(upstream: DemoUpstream) -> None:
    """The text of the one delta has exactly the bytes asked for."""
    assert len(text_of(decode(await play(upstream, "big-delta 1MB; done")))) == 1_000_000


async def test_a_line_may_be_of_any_length(upstream: DemoUpstream) -> None:
    """No line end comes in the bytes asked for."""
    body = await play(upstream, "no-newline 1MB")
    assert len(body) == 1_000_000
    assert b"\n" not in body


async def test_a_gzip_bomb_unpacks_to_its_size(upstream: DemoUpstream) -> None:
    """Few bytes on the wire become many."""
    async with connect(upstream) as client:
        await client.ask("gzip-bomb 20MB")
        status, headers = await client.head()
        packed = b"".join(await client.chunks())
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) == 20_000_000
    assert zlib.decompressobj(wbits=31).decompress(packed, 9) == b"data: xxx"


async def test_plans_work_without_streaming(upstream: DemoUpstream) -> None:
    """The steps of an answer make one JSON object where the request does not stream."""
    answer = (await whole(upstream, "reasoning why; tokens 2; finish length; usage")).json()
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": "This is",
        "refusal": None,
        "reasoning_content": "why",
    }
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3
    refused = (await whole(upstream, "refusal no; finish")).json()["choices"][0]["message"]
    assert (refused["content"], refused["refusal"]) == (None, "no")


async def test_an_old_client_gets_a_body_that_ends_with_the_connection(
    upstream: DemoUpstream,
) -> None:
    """HTTP/1.0 knows no chunks."""
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
    """A second request that comes during the first is answered after it."""
    async with connect(upstream) as client:
        await client.ask("tokens 1; barrier ahead")
        await client.ask("tokens 2")
        await upstream.barrier("ahead").reached()
        upstream.barrier("ahead").release()
        assert text_of(await client.events()) == "This"
        assert text_of(await client.events()) == "This is"


async def test_a_client_may_wait_for_100_continue(upstream: DemoUpstream) -> None:
    """The body is asked for before it is sent."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    async with connect(upstream) as client:
        await client.send((head + "expect: 100-continue\r\n\r\n").encode())
        assert (await client.head())[0] == 100
        await client.send(body.encode())
        assert (await client.head())[0] == 200


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\r\n\r\n", b"GET\r\n\r\n"])
async def test_what_is_not_http_gets_a_400_and_a_close(upstream: DemoUpstream, sent: bytes) -> None:
    """A client that speaks another protocol is told so."""
    async with connect(upstream) as client:
        await client.send(sent)
        assert (await client.reader.read()).startswith(b"HTTP/1.1 400 ")
