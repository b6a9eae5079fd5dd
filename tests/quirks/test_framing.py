"""An event stream is read generously: what carries nothing is skipped, what is whole counts."""

import json

import grpc
import pytest

from support.quirks import DONE, STOP, Got, event, finish, player, response, text
from support.raw_upstream import Pause, Piece, Reset

OK = grpc.StatusCode.OK
ABORTED = grpc.StatusCode.ABORTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

NOTHING = [
    b"data:\n\n",
    b"data: \n\n",
    b"event: ping\ndata:\n\n",
    b":\n\n",
    b": PROCESSING\n\n",
    b"retry: 3000\n\n",
    b"id: 2\n\n",
    b"event: message\n\n",
    b"\n\n\n",
]


async def test_what_carries_nothing_is_skipped(subtests: pytest.Subtests) -> None:
    """Comments, fields without data and empty events change nothing, wherever they stand."""
    async with player() as upstream:
        for nothing in NOTHING:
            with subtests.test(nothing=nothing):
                body = [nothing, text("a"), nothing, text("b"), nothing, STOP]
                assert await upstream.play(response(*body)) == Got("ab")


def compact(data: bytes) -> bytes:
    """Return an event without the space after the colon."""
    return data.replace(b"data: ", b"event:message\ndata:")


def in_lines(data: bytes) -> bytes:
    """Return an event whose JSON takes several data lines, with CR LF."""
    value = json.dumps(json.loads(data.removeprefix(b"data: ")), indent=1)
    return b"".join(f"data: {line}\r\n".encode() for line in value.splitlines()) + b"\r\n"


FORMS: dict[str, tuple[list[Piece], Got]] = {
    "no space": ([compact(text("a")), compact(finish("stop")), b"data:[DONE]\n\n"], Got("a")),
    "several lines": ([in_lines(text("a")), in_lines(finish("stop")), DONE], Got("a")),
    "one line end, then the end": ([text("a"), finish("stop").removesuffix(b"\n")], Got("a")),
    "no line end, then the end": (
        [
            event(
                {"choices": [{"delta": {"content": "last words"}, "finish_reason": "stop"}]}
            ).strip()
        ],
        Got("last words"),
    ),
    "cut within the JSON": (
        [text("a"), finish("stop").rstrip()[:-3]],
        Got("a", "UPSTREAM_TRUNCATED", ABORTED),
    ),
    "no [DONE]": ([text("a"), finish("stop")], Got("a")),
    "[DONE] without a reason": ([text("a"), DONE], Got("a", "UPSTREAM_TRUNCATED", ABORTED)),
    "the end without a reason": ([text("a")], Got("a", "UPSTREAM_TRUNCATED", ABORTED)),
    "a reset": ([text("a"), Pause(0.3), Reset()], Got("a", "UPSTREAM_STREAM_BROKEN", ABORTED)),
}


async def test_forms_of_a_stream(subtests: pytest.Subtests) -> None:
    """An answer is whole with a finish reason, and only then."""
    async with player() as upstream:
        for name, (body, right) in FORMS.items():
            with subtests.test(name):
                assert await upstream.play(response(*body)) == right


@pytest.mark.parametrize("body", [DONE, b""])
async def test_a_body_without_an_answer(body: bytes) -> None:
    """A body without text and without a finish reason is UNAVAILABLE."""
    async with player() as upstream:
        got = await upstream.play(response(body))
        assert (got.reason, got.code) == ("UPSTREAM_TRUNCATED", UNAVAILABLE)


async def test_the_stream_decides_what_it_is(subtests: pytest.Subtests) -> None:
    """Events are read under any content type and any status of success."""
    async with player() as upstream:
        for head in (
            b"200 OK\r\ncontent-type: application/json",
            b"200 OK",
            b"201 Created\r\ncontent-type: text/event-stream",
            b"200 OK\r\nx-long: " + b"x" * 9_000,
        ):
            with subtests.test(head=head[:40]):
                pieces = [b"HTTP/1.1 " + head + b"\r\nconnection: close\r\n\r\n", text("a"), STOP]
                assert await upstream.play(pieces) == Got("a")


async def test_a_page_is_no_answer() -> None:
    """A sign-in page with status 200 is UNAVAILABLE, and is retried at most once."""
    async with player() as upstream:
        got = await upstream.play(response(b"<html>Sign in</html>", content_type="text/html"))
        assert (got.text, got.reason, got.code) == ("", "UPSTREAM_ERROR", UNAVAILABLE)
        assert got.requests <= 2
