"""Text of a response is passed on once, from wherever the upstream has it, or the answer fails."""

import json
from typing import Any

import grpc
import pytest

from support.quirks import DONE, Got, player
from support.raw_upstream import Piece
from support.response_events import (
    END,
    USAGE,
    added,
    arguments,
    body,
    call,
    completed,
    created,
    done,
    event,
    message,
    play,
    refusal,
    text,
)
from tokenwire.v1 import chatgpt_pb2 as pb

COUNTS = (36, 87, 4, 7)
PROTOCOL_ERROR = "UPSTREAM_PROTOCOL_ERROR"
INTERNAL = grpc.StatusCode.INTERNAL

HELLO = message("Hello")
BEGIN = [created(), event("response.in_progress", response=body(status="in_progress"))]
PART = {"type": "output_text", "text": "", "annotations": []}

SHAPES: dict[str, list[Piece]] = {
    "all of OpenAI's events": [
        *BEGIN,
        added(message(status="in_progress")),
        event("response.content_part.added", item_id="msg_1", output_index=0, part=PART),
        text("Hel"),
        text("lo"),
        event("response.output_text.done", item_id="msg_1", output_index=0, text="Hello"),
        event("response.content_part.done", item_id="msg_1", output_index=0, part=PART),
        done(HELLO),
        completed(HELLO, usage=USAGE),
    ],
    "deltas and the end alone": [text("Hello"), END],
    "no names of events": [text("Hello").split(b"\n", 1)[1], END.split(b"\n", 1)[1]],
    "no types in the data": [
        b'event: response.output_text.delta\ndata: {"delta":"Hello"}\n\n',
        b"event: response.completed\ndata: " + json.dumps({"response": body(usage=USAGE)}).encode(),
        b"\n\n",
    ],
    "[DONE] behind the end": [text("Hello"), END, DONE],
    "the item alone": [done(HELLO), completed(HELLO, usage=USAGE)],
    "the response alone": [*BEGIN, completed(HELLO, usage=USAGE)],
    "the end of a part alone": [event("response.output_text.done", text="Hello"), END],
    "a response that only says that it is done": [
        text("Hello"),
        event("response.done", response={"usage": USAGE}),
    ],
    "the first delta alone, and the item": [text("Hel"), done(HELLO), END],
    "the first delta alone, and the response": [text("Hel"), completed(HELLO, usage=USAGE)],
    "one of two parts streamed": [text("Hel"), done(message("Hel", "lo")), END],
    "one of two messages streamed": [
        text("Hel"),
        done(message("Hel")),
        done(message("lo", id="msg_2"), 1),
        completed(message("Hel"), message("lo", id="msg_2"), usage=USAGE),
    ],
    "the second message streamed": [
        done(message("Hel")),
        text("lo", item_id="msg_2", output_index=1),
        done(message("lo", id="msg_2"), 1),
        completed(message("Hel"), message("lo", id="msg_2"), usage=USAGE),
    ],
    "other ids in each event": [
        text("Hel", item_id="a"),
        text("lo", item_id="b", output_index=7),
        done(message("Hello", id="c"), 3),
        completed(message("Hello", id="d"), usage=USAGE),
    ],
    "ids and indexes of other types": [
        text("Hel", item_id=1, output_index="0", content_index=None),
        text("lo", item_id=None, output_index=0.0, logprobs=None),
        done(message("Hello", id=1, role=None, status=7), 0),
        completed(message("Hello", id=1), usage=USAGE),
    ],
    "content that is a string": [done(message(content="Hello")), END],
    "an output of another shape behind the text": [text("Hello"), completed(usage=USAGE, output=7)],
    "parts of another shape behind the text": [
        text("Hello"),
        done(message(content=[{"type": "output_text", "text": {"value": "Hello"}}])),
        END,
    ],
    "deltas of null and of nothing": [text(None), text(""), text("Hello"), text(""), END],
    "events that are unknown": [
        event("response.queued", response=body(status="queued")),
        event("keepalive"),
        event("response.output_text.annotation.added", annotation={"type": "url_citation"}),
        event("response.web_search_call.searching", item_id="ws_1"),
        event("response.shell_call_output_content.delta", delta={"stdout": "no text"}),
        added({"type": "web_search_call", "id": "ws_1"}),
        done({"type": "web_search_call", "id": "ws_1"}),
        added(None),
        added([]),
        b"data: {}\n\n",
        b"data:\n\n",
        b"event: ping\ndata: {}\n\n",
        text("Hello"),
        END,
    ],
    "text behind the end": [text("Hello"), END, text(" and more"), b"data: [\n\n"],
    "a refusal": [refusal("Hel"), refusal("lo"), END],
    "a refusal in the item alone": [
        done(message(content=[{"type": "refusal", "refusal": "Hello"}])),
        END,
    ],
    "the end of a refusal alone": [event("response.refusal.done", refusal="Hello"), END],
    "the end as the last event, without a line end": [text("Hello"), END.rstrip(b"\n")],
    "the whole response as one event": [
        b"data: " + json.dumps(body(HELLO, usage=USAGE)).encode() + b"\n\n",
        DONE,
    ],
}


async def test_text_is_passed_on_once(subtests: pytest.Subtests) -> None:
    """Each shape has the same text, once, with its usage, its model and its id."""
    async with player(dialect="responses") as upstream:
        for name, pieces in SHAPES.items():
            with subtests.test(name):
                assert await play(upstream, *pieces) == Got("Hello", usage=COUNTS)
        assert upstream.answers[-1].model == "gpt-demo"
        assert upstream.answers[-1].id == "resp_1"


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", ""])
async def test_a_response_that_is_not_streamed(content_type: str) -> None:
    """A whole response object, indented as OpenAI sends it, counts as one event."""
    async with player(dialect="responses") as upstream:
        whole = json.dumps(body(HELLO, usage=USAGE), indent=2).encode()
        got = await play(upstream, whole, content_type=content_type)
        assert got == Got("Hello", usage=COUNTS)


LOST: dict[str, list[Piece]] = {
    "a delta of another shape": [text({"value": "Hello"}), END],
    "an item of another shape": [done(message(content=[{"text": {"value": "Hello"}}])), END],
    "an output of another shape": [completed(output="Hello")],
    "an output of other items": [completed(output={"0": message("Hello")})],
    "a part in the middle": [text("Hel"), text("world"), done(message("Hello, world")), END],
    "chunks of a chat completion": [
        b'data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\n',
        DONE,
    ],
}


async def test_text_that_would_be_lost(subtests: pytest.Subtests) -> None:
    """Text in an unknown shape or order fails the answer instead of being dropped."""
    async with player(dialect="responses") as upstream:
        for name, pieces in LOST.items():
            with subtests.test(name):
                got = await play(upstream, *pieces)
                assert (got.reason, got.code) == (PROTOCOL_ERROR, INTERNAL)


BROKEN = [
    b'data: {"type":"response.output_text.delta","delta":"unfin\n\n',
    b'data: ["not","an","object"]\n\n',
    b'data: "Hello"\n\n',
    b'data: {"type":"response.output_text.delta","delta":"\xff\xfe"}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"\\ud800"}\n\n',
    b'data: {"type":"response.output_text.delta","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n",
]


async def test_events_that_are_not_valid(subtests: pytest.Subtests) -> None:
    """Invalid JSON, UTF-8 and nesting without end are protocol errors, after the text so far."""
    async with player(dialect="responses") as upstream:
        for broken in BROKEN:
            with subtests.test(broken=broken[:60]):
                got = await play(upstream, text("so far"), broken, END)
                assert got == Got("so far", PROTOCOL_ERROR, INTERNAL)


UNUSUAL = ["a\x00b", "\u202e", "é", "e\u0301", "👩\u200d💻", "\u2028", "\u2029", "\x85", "\x0b\x1c"]


async def test_text_is_byte_exact() -> None:
    """Each character arrives as it was sent, however the reads split it."""
    async with player(dialect="responses") as upstream:
        stream = b"".join([*map(text, UNUSUAL), END])
        pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]
        assert await play(upstream, *pieces) == Got("".join(UNUSUAL), usage=COUNTS)


async def test_the_last_event_repeats_a_long_text() -> None:
    """The last event may repeat more than a megabyte; one over two megabytes is too large."""
    async with player(dialect="responses") as upstream:
        long = "x" * 1_200_000
        halves = [text(long[:600_000]), text(long[600_000:])]
        assert await play(upstream, *halves, completed(message(long))) == Got(long)
        got = await play(upstream, text("so far"), text("x" * (1 << 21)), END)
        assert got == Got("so far", "UPSTREAM_EVENT_TOO_LARGE", INTERNAL)


USAGES: list[tuple[Any, tuple[int, int, int, int] | None]] = [
    (USAGE, COUNTS),
    ({"input_tokens": 1, "output_tokens": 2}, (1, 2, 0, 0)),
    ({"input_tokens": 1.0, "output_tokens": 2.0, "input_tokens_details": None}, (1, 2, 0, 0)),
    ({"prompt_tokens": 1, "completion_tokens": 2}, (1, 2, 0, 0)),
    (None, None),
    ("none", None),
    ({"input_tokens": -1, "output_tokens": 2}, None),
]


async def test_usage(subtests: pytest.Subtests) -> None:
    """Counts are those of the last event, and counts that make no sense are absent."""
    async with player(dialect="responses") as upstream:
        for counts, right in USAGES:
            with subtests.test(counts=counts):
                got = await play(upstream, text("a"), completed(usage=counts))
                assert got == Got("a", usage=right)


async def test_what_an_event_does_not_say_changes_nothing() -> None:
    """The model and the id of the first event stay if the last one has none of their type."""
    async with player(dialect="responses") as upstream:
        last = completed(id=None, model=["x"])
        assert await play(upstream, created(id=42), text("a"), last) == Got("a")
        assert (upstream.answers[-1].id, upstream.answers[-1].model) == ("42", "gpt-demo")
        await play(upstream, text("a"), completed(id="x" * 257, model="x" * 900_000))
        assert (upstream.answers[-1].id, upstream.answers[-1].model) == ("", "")


async def test_white_space_before_calls() -> None:
    """With tools, white space is held back until other text comes, and dropped before calls."""
    async with player(dialect="responses") as upstream:
        asks = pb.Message(content="hello", tools=[pb.Tool(name="get")])
        calls = [added(call("get", "")), arguments("{}"), completed()]
        got = await play(upstream, text("\n"), text("\n"), *calls, message=asks)
        assert got == Got("", "TOOL_CALLS")
        got = await play(upstream, text("\n"), text("I look."), *calls, message=asks)
        assert got == Got("\nI look.", "TOOL_CALLS")
        assert await play(upstream, text("\n"), completed(), message=asks) == Got("\n")
