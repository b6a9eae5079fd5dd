"""The reader of server-sent events, compared to the HTML specification."""

from hypothesis import example, given
from hypothesis import strategies as st

from support.mutation import in_pieces, mutated
from support.raw_upstream import ANSWER
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.sse import EventReader

NEVER = b"\r"
"""Never the data of an event, because CR ends a line and lines are joined by LF."""

LINES = st.lists(
    st.sampled_from(
        [
            *(b"data", b"data:", b"data: a", b"data:b", b"data:  c", b"dat: d", b" data: e"),
            *(b"event: error", b"event:x", b"event", b": comment", b":", b"", b"id: 1"),
            *(b"retry: 5", b"\xef\xbb\xbfdata: f", b"data: \xff", b"data: g:h", b"data\0: i"),
        ]
    ),
    max_size=12,
)
STREAMS = st.one_of(
    st.builds(
        lambda lines, ends: b"".join(line + end for line, end in zip(lines, ends, strict=False)),
        LINES,
        st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=12, max_size=12),
    ),
    mutated(st.just(ANSWER)),
    st.binary(max_size=100),
)


def read_by_the_letter(stream: bytes) -> list[Event]:
    """Return the events of a complete stream, following the steps of the specification.

    See "Interpreting an event stream" in
    https://html.spec.whatwg.org/multipage/server-sent-events.html. Bytes are not decoded.
    """
    if stream.startswith(b"\xef\xbb\xbf"):
        stream = stream[3:]
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines.pop()  # a line without an end is incomplete
    events = []
    event_type = data = b""
    for line in lines:
        if line == b"":
            if data != b"":
                events.append(Event(event_type, data[:-1]))
            event_type = data = b""
        elif line.startswith(b":"):
            continue
        else:
            field, colon, value = line.partition(b":")
            if colon and value.startswith(b" "):
                value = value[1:]
            if field == b"event":
                event_type = value
            elif field == b"data":
                data += value + b"\n"
    return events


@given(pieces=in_pieces(STREAMS))
@example(pieces=[b"\xef\xbb", b"\xbfdata: torn byte order mark\n\n"])
@example(pieces=[b"", b"\xef\xbb\xbfdata: late byte order mark\n\n"])
@example(pieces=[b"data: a\r", b"", b"\n\r\n"])
@example(pieces=[b"event: ping\n\ndata: after an event without data\n\n"])
def test_fuzz_events_are_those_of_the_specification(pieces: list[bytes]) -> None:
    """For any bytes, split anywhere, the events are those of the specification."""
    reader = EventReader(1 << 20, last=NEVER)
    events = [event for piece in pieces for event in reader.feed(piece)]
    assert events == read_by_the_letter(b"".join(pieces))


@given(pieces=in_pieces(st.builds(lambda a, b: a + b"\n\ndata: end\n\n" + b, STREAMS, STREAMS)))
def test_fuzz_events_end_with_the_last(pieces: list[bytes]) -> None:
    """The reader returns the events before the one that ends the stream, and none after it."""
    reader = EventReader(1 << 20, last=b"end")
    events = [event for piece in pieces for event in reader.feed(piece)]
    expected = read_by_the_letter(b"".join(pieces))
    ends = [number for number, event in enumerate(expected) if event.data == b"end"]
    assert reader.ended == bool(ends)
    assert events == expected[: ends[0] if ends else None]
