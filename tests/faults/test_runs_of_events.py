"""Reading alike events in runs gives what reading each of them gives."""

import random
from collections.abc import Iterator

import pytest

from support.event_runs import assert_alike, read
from support.quirks import DONE, STOP, event, text
from tokenwire.core.domain import Completion, Delta
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.openai.text_templates import RUN_EVENTS, text_template

HEADS = (
    b'{"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,',
    b'{"id":"a","object":"chat.completion.chunk","created":2,"model":"m","choices":[{"index":0,',
    b'{"id":"b","model":"n","choices":[{"index":0,"delta":{"content":"x"},',
    b'{"content":"y","choices":[{',
)
TAILS = (
    b',"logprobs":null,"finish_reason":null}],"usage":null}',
    b',"finish_reason":null}]}',
    b'}],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
    b',"finish_reason":"stop"}]}',
    b"}]",
)
VALUES = (
    *(b"", b" word", b"two words", b"\\n", b'\\"', b'say \\"so\\"', b"\\\\", b"\\\\\\", b"\\"),
    *(b"\\u0041", b"\\ud83d\\ude00", b"\\ud83d", b"\\x", "\xe9t\xe9 \u2028".encode()),
    *(b"\xc3", b"\xa9", b"\xff", b"\n", b"\n\n", b"\r\n", b"\0", b"\t", b"\x7f", b"data: "),
    *(b'"', b'"},"a":{"', b'\\"}', b'","content":"', b"\n\ndata: [DONE]\n\n"),
    b'x"},"logprobs":null,"finish_reason":null}],"usage":null}',
)
KEYS = (b'"content":"', b'"reasoning_content":"', b'"content": "', b'"refusal":"', b'"role":"')
HALVES = b"\xc3", b"\xa9"
OTHERS = (
    b": comment\n\n",
    b"event: error\ndata: {}\n\n",
    b"\n",
    b"data: {}\n\n",
    b"data: [DONE]\n\n",
    b'data: {"choices":[{"delta":{"tool_calls":[{"id":"c","function":{"name":"f"}}]}}]}\n\n',
    b'data: {"error":{"message":"no"}}\n\n',
    b"data:{}\r\n\r\n",
    b'data: {"choices":[],\ndata: "usage":null}\n\n',
)


def streams(seed: int, chunks: int) -> Iterator[list[bytes]]:
    """Yield streams in reads, of so many chunks in all; most chunks of one are alike."""
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    while chunks > 0:
        head, tail, key = (
            draw.choice(HEADS[:2]),
            draw.choice(TAILS[:2]),
            draw.choice(KEYS[:1] * 8 + KEYS),
        )
        size = min(chunks, draw.randrange(20, 400))
        chunks -= size
        oddity = draw.choice((0.0, 0.001, 0.01, 0.2))
        stream = bytearray()
        for _ in range(size):
            values = VALUES if draw.random() < oddity else VALUES[1:6]
            parts = head, key, draw.choice(values), tail
            if draw.random() < oddity / 4:
                parts = draw.choice(HEADS), draw.choice(KEYS), parts[2], draw.choice(TAILS)
            if draw.random() < oddity / 4:
                stream += draw.choice(OTHERS)
            stream += b'data: %b"delta":{%b%b"}%b\n\n' % parts
        if draw.random() < oddity:
            at = draw.randrange(len(stream))
            stream[at] ^= 1 << draw.randrange(8)
        yield in_reads(bytes(stream), draw)


def in_reads(stream: bytes, draw: random.Random) -> list[bytes]:
    """Split a stream anywhere."""
    most = draw.choice((200, 4_000, 16_384, 16_384))
    reads = []
    while stream:
        end = draw.randrange(1, most)
        reads.append(stream[:end])
        stream = stream[end:]
    return reads


@pytest.mark.parametrize(
    "chunks", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow, id="a million")]
)
def test_runs_change_nothing(chunks: int) -> None:
    """For any chunks, split anywhere, runs give the same deltas, completion or failure."""
    in_runs = sum(assert_alike(reads, tools=bool(len(reads) % 2)) for reads in streams(1, chunks))
    assert in_runs > chunks / 10


def test_most_events_of_a_burst_are_read_in_runs() -> None:
    """Where hundreds of events arrive in one read, at most two of them are read one by one."""
    words = [f" {number}" for number in range(300)]
    burst = b"".join(text(word) for word in words)
    reading = read([burst[:1_000], burst[1_000:] + STOP], runs=True)
    assert [delta.text for deltas in reading.deltas for delta in deltas] == [
        "".join(words[: len(reading.deltas[0][0].text.split())]),
        "".join(words[len(reading.deltas[0][0].text.split()) :]),
    ]
    assert sum(delta.tokens for deltas in reading.deltas for delta in deltas) == len(words)
    assert reading.runs >= len(words) - reading.deltas[0][0].tokens - 2


def test_quotes_and_escapes_stay_in_runs() -> None:
    """Escaped quotes and backslashes do not end a run, and are decoded."""
    said = ['"', 'a "b" c', "\\", "\n", "\u20ac"] * 20
    reading = read([text("x") * RUN_EVENTS, b"".join(map(text, said)) + DONE], runs=True)
    assert reading.deltas[1] == [Delta("".join(said), len(said))]
    assert reading.runs == len(said) - 1


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"x","choices":[{"delta":{"content":"x"}}]}',
        b'{"created":"x","choices":[{"delta":{"content":"x"}}]}',
        b'{"choices":[{"delta":{"content":"x","content":"x"}}]}',
        b'{"choices":[{"delta":{"content":"\\u0061"}}],"id":"a"}',
        b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}',
        b'{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}',
        b'{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}',
        b'{"choices":[{"delta":{"content":7}}]}',
        b'{"choices":[{"delta":{"content":"a"}}],\n"id":"b"}',
        b'{"choices":[{"delta":{"content":""}}]}',
        b'{"choices":[]}',
        b'{"choices":[{"delta":{"content":"a"}}',
        b"[]",
    ],
)
def test_no_template_without_certainty(data: bytes) -> None:
    """A chunk has no template if another string in its place may mean something else."""
    assert text_template(Event(b"", data)) is None


def test_templates_that_never_match_are_given_up() -> None:
    """Chunks of which each has a number of its own are not searched for runs any more."""
    reads = [
        b"".join(
            b'data: {"created":%d,"choices":[{"delta":{"content":"x"}}]}\n\n'
            % (100 * turn + number)
            for number in range(RUN_EVENTS)
        )
        for turn in range(20)
    ]
    assert assert_alike(reads) == 0


def test_a_character_split_between_two_events_is_invalid() -> None:
    """Bytes that are a character only together fail in a run as they do one by one."""
    first, second, whole = (
        b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % part for part in (*HALVES, b"x")
    )
    reads = [whole * RUN_EVENTS, first + second + whole]
    assert assert_alike(reads) == len(HALVES)
    assert read(reads, runs=True).end == "UPSTREAM_PROTOCOL_ERROR"


def test_a_run_names_the_model_and_the_id() -> None:
    """The model and the id of an answer are those of its last chunk, also if a run has it."""

    def chunk(name: str) -> bytes:
        return event({"choices": [{"delta": {"content": "x"}}], "id": name, "model": name})

    reads = [chunk("a") * RUN_EVENTS, chunk("b") + chunk("a") + text("x"), STOP]
    assert assert_alike(reads) == 1
    end = read(reads, runs=True).end
    assert isinstance(end, Completion)
    assert (end.model, end.id) == ("a", "a")
