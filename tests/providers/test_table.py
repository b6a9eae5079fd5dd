"""Every failure of a provider is the row of the failure table that it would be with any other."""

import grpc
import pytest

from support.helpers import retry_delay_of
from support.keepalive_upstream import chunk
from support.quirks import Got, Player
from support.raw_upstream import Piece, Reset
from support.wire import CANARY, KEY, Wire
from tokenwire.upstreams.langchain.body import READ_BYTES

ABORTED = grpc.StatusCode.ABORTED
INTERNAL = grpc.StatusCode.INTERNAL
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


async def test_a_whole_answer(wire: Wire, upstream: Player) -> None:
    """Text arrives in pieces, with the finish reason, the usage and the model's name."""
    got = await upstream.play(wire.answer(*wire.body("Hel", "lo"), wire.end()))
    assert got == Got("Hello", usage=(3, 2, 0, 0))
    assert upstream.answers[-1].model
    assert [answer.content for answer in upstream.answers] == ["Hel", "lo", ""]


async def test_an_end_without_a_finish_reason(wire: Wire, upstream: Player) -> None:
    """A stream that ends cleanly without a finish reason is not whole."""
    got = await upstream.play(wire.answer(*wire.body("a", "b", "c", "d")))
    assert got == Got("abcd", "UPSTREAM_TRUNCATED", ABORTED)
    got = await upstream.play(wire.answer(*wire.body()))
    assert got == Got("", "UPSTREAM_TRUNCATED", UNAVAILABLE)


async def test_an_end_within_an_event(wire: Wire, upstream: Player) -> None:
    """A stream that ends within an event is truncated."""
    got = await upstream.play(wire.answer(*wire.body("half"), wire.end()[:30]))
    assert got == Got("half", "UPSTREAM_TRUNCATED", ABORTED)


REJECTIONS = [
    ("401 Unauthorized", "UPSTREAM_AUTH_REJECTED", FAILED_PRECONDITION, 1),
    ("403 Forbidden", "UPSTREAM_AUTH_REJECTED", FAILED_PRECONDITION, 1),
    ("404 Not Found", "UPSTREAM_MODEL_NOT_FOUND", FAILED_PRECONDITION, 1),
    ("400 Bad Request", "UPSTREAM_REJECTED_REQUEST", INTERNAL, 1),
    ("302 Found", "UPSTREAM_REJECTED_REQUEST", INTERNAL, 1),
    ("402 Payment Required", "UPSTREAM_QUOTA_EXHAUSTED", RESOURCE_EXHAUSTED, 1),
    ("408 Request Timeout", "UPSTREAM_TIMEOUT", UNAVAILABLE, 1),
    ("413 Content Too Large", "PROMPT_TOO_LONG", INVALID_ARGUMENT, 1),
    ("500 Internal Server Error", "UPSTREAM_ERROR", UNAVAILABLE, 2),
    ("503 Service Unavailable", "UPSTREAM_ERROR", UNAVAILABLE, 2),
    ("529 Overloaded", "UPSTREAM_ERROR", UNAVAILABLE, 2),
]


async def test_a_rejection(wire: Wire, upstream: Player, subtests: pytest.Subtests) -> None:
    """The status decides, no text of the upstream leaks, and only the service's budget repeats."""
    for status, reason, code, requests in REJECTIONS:
        with subtests.test(status=status):
            headers = "location: http://127.0.0.1:1/\r\n" if status.startswith("3") else ""
            got = await upstream.play(wire.rejection(status, headers=headers))
            assert got == Got("", reason, code, requests=requests)
            assert upstream.error
            assert CANARY not in repr(upstream.error)
            assert CANARY not in repr(upstream.error.trailing_metadata())
            assert KEY not in repr(upstream.error.trailing_metadata())


async def test_a_rate_limit(wire: Wire, upstream: Player) -> None:
    """A wait that the upstream asks for is the caller's, who hears how long it is."""
    got = await upstream.play(wire.rejection("429 Too Many Requests", headers="retry-after: 3\r\n"))
    assert got == Got("", "UPSTREAM_RATE_LIMITED", RESOURCE_EXHAUSTED)
    assert upstream.error
    assert retry_delay_of(upstream.error) == 3
    await upstream.play(wire.rejection("429 Too Many Requests", headers="retry-after: 2\r\n"))
    assert retry_delay_of(upstream.error) == 2


async def test_a_prompt_that_is_too_long(wire: Wire, upstream: Player) -> None:
    """The words of an error body decide where the status does not."""
    message = "prompt is too long: 1200 tokens > 1000 maximum"
    got = await upstream.play(wire.rejection("400 Bad Request", message))
    assert got == Got("", "PROMPT_TOO_LONG", INVALID_ARGUMENT)


async def test_a_reset(wire: Wire, upstream: Player) -> None:
    """A connection that breaks is never a complete answer."""
    got = await upstream.play(wire.answer(*wire.body("half"), Reset()))
    assert got == Got("half", "UPSTREAM_STREAM_BROKEN", ABORTED)
    got = await upstream.play([Reset()])
    assert got == Got("", "UPSTREAM_UNREACHABLE", UNAVAILABLE, requests=2)


async def test_a_break_behind_unread_text(wire: Wire, upstream: Player) -> None:
    """What has arrived before the connection breaks counts, also if it was not read yet."""
    texts = ["x" * 500]
    # A little more than one read: while its text is written, the connection is read from again.
    while len(body := b"".join(wire.body(*texts))) < READ_BYTES + 1_000:
        texts.append("x" * 500)
    text = "".join(texts)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
    head %= wire.content_type.encode()
    ends: tuple[tuple[Piece, ...], ...] = ((), (Reset(),))
    for end in ends:
        got = await upstream.play([head, chunk(body), *end])
        assert got == Got(text, "UPSTREAM_STREAM_BROKEN", ABORTED)
        got = await upstream.play([head, chunk(body + wire.end()), *end])
        assert got == Got(text, usage=(3, 2, 0, 0))


async def test_an_error_in_an_answer(wire: Wire, upstream: Player) -> None:
    """An error event fails the answer, before the first text and after it."""
    got = await upstream.play(wire.answer(*wire.body("half"), wire.error()))
    assert got == Got("half", "UPSTREAM_ERROR", ABORTED)
    # In one write, so that the text and the error arrive together.
    got = await upstream.play(wire.answer(b"".join([*wire.body("half"), wire.error()])))
    assert got == Got("half", "UPSTREAM_ERROR", ABORTED)
    assert CANARY not in repr(upstream.error)
    got = await upstream.play(wire.answer(wire.error()))
    assert got == Got("", "UPSTREAM_ERROR", UNAVAILABLE, requests=2)


ERRORS = [
    {"error": {"message": CANARY, "code": 502}},
    {"error": CANARY},
    {"object": "error", "message": CANARY, "code": 500},
]


async def test_an_error_in_any_wrapping(
    wire: Wire, upstream: Player, subtests: pytest.Subtests
) -> None:
    """An error is an error, however it is wrapped."""
    for error in ERRORS:
        with subtests.test(error=error):
            event = wire.framed(error)
            got = await upstream.play(wire.answer(*wire.body("half"), event))
            assert got == Got("half", "UPSTREAM_ERROR", ABORTED)


async def test_what_is_no_event(wire: Wire, upstream: Player, subtests: pytest.Subtests) -> None:
    """Invalid JSON, invalid UTF-8 and JSON that is no object fail as errors of the protocol."""
    for data in (b'{"a":', b"nonsense", b"[1]", b"7", b'{"a":"\xff"}', b'{"a":"\\ud800"}'):
        with subtests.test(data=data):
            body = [*wire.body("half"), wire.raw(data), wire.end()]
            got = await upstream.play(wire.answer(*body))
            assert got == Got("half", "UPSTREAM_PROTOCOL_ERROR", INTERNAL)


async def test_an_event_of_unexpected_structure(wire: Wire, upstream: Player) -> None:
    """An exception of the provider's package is an error of the protocol, not a bug."""
    got = await upstream.play(wire.answer(*wire.body("half"), wire.odd(), wire.end()))
    assert got == Got("half", "UPSTREAM_PROTOCOL_ERROR", INTERNAL)


async def test_a_large_event(wire: Wire, upstream: Player) -> None:
    """The size of an event is limited, also of one that never ends."""
    body = [*wire.body("half"), *wire.body("x" * (2 << 20)), wire.end()]
    got = await upstream.play(wire.answer(*body))
    assert got == Got("half", "UPSTREAM_EVENT_TOO_LARGE", INTERNAL)


async def test_a_web_page(upstream: Player) -> None:
    """A page of a proxy is no answer."""
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>"
    got = await upstream.play([page])
    assert got == Got("", "UPSTREAM_ERROR", UNAVAILABLE, requests=2)


async def test_characters_that_end_lines(wire: Wire, upstream: Player) -> None:
    """Text is passed on byte by byte, also characters at which Python splits lines."""
    odd = "a\u2028b\u2029c\x85d \u202e Zoe\u0308 \U0001f469\u200d\U0001f680 \x0b\x1c\x00"
    got = await upstream.play(wire.answer(*wire.body(odd), wire.end()))
    assert got.text == odd
    whole = b"".join([*wire.body(odd), wire.end()])
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    assert (await upstream.play(wire.answer(*pieces))).text == odd


async def test_a_finish_reason_ends_the_answer(wire: Wire, upstream: Player) -> None:
    """A connection that is reset after the end of the answer does not make it fail."""
    got = await upstream.play(wire.answer(*wire.body("all"), wire.end(), Reset()))
    assert got == Got("all", usage=(3, 2, 0, 0))
