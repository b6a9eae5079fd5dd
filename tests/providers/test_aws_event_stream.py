"""The framing of AWS's event streams: every message whole and undamaged, or a failure."""

import struct
from collections.abc import Iterable
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bedrock_wire import BEDROCK, START, delta, header, message
from support.mutation import in_pieces, mutated
from tokenwire.core.errors import (
    ServiceError,
    UpstreamEventTooLarge,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.langchain.aws_event_stream import AwsEventStream
from tokenwire.upstreams.langchain.framing import MAX_EVENT_BYTES

TEXT = delta(text="Zoë \u2028")
WHOLE = START + TEXT + BEDROCK.end()


def read(pieces: Iterable[bytes]) -> tuple[list[Event], ServiceError | None]:
    """Return the events of a body in pieces, and why reading stopped."""
    stream = AwsEventStream()
    events = [event for piece in pieces for event in stream.feed(piece)]
    return events, stream.failure


def prelude(length: int, headers: int) -> bytes:
    """Return the beginning of a message, with a valid checksum."""
    lengths = struct.pack(">II", length, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@given(in_pieces(st.just(WHOLE)))
def test_pieces(pieces: list[bytes]) -> None:
    """Where a body is cut into reads makes no difference."""
    events, failure = read(pieces)
    assert failure is None
    assert [event.name for event in events] == [
        *(b"messageStart", b"contentBlockDelta", b"messageStop", b"metadata"),
    ]
    assert "Zoë \u2028".encode() in events[1].data


@given(st.integers(0, len(TEXT) * 8 - 1))
def test_a_damaged_bit(bit: int) -> None:
    """One wrong bit anywhere in a message is found; what came before it counts."""
    damaged = bytearray(TEXT)
    damaged[bit // 8] ^= 1 << bit % 8
    events, failure = read([START + bytes(damaged) + BEDROCK.end()])
    assert [event.name for event in events] == [b"messageStart"]
    assert isinstance(failure, UpstreamProtocolError)


@given(mutated(st.just(WHOLE)))
def test_a_damaged_body(body: bytes) -> None:
    """A damaged body ends with a failure of the service, never with another exception."""
    _, failure = read([body])
    assert failure is None or isinstance(failure, ServiceError)


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (prelude(MAX_EVENT_BYTES + 1, 0), UpstreamEventTooLarge),
        (prelude(1 << 31, 0), UpstreamEventTooLarge),
        (prelude(15, 0), UpstreamProtocolError),
        (prelude(0, 0), UpstreamProtocolError),
        (prelude(20, 5), UpstreamProtocolError),
        (b"data: {}\n\ndata: [DONE]\n\n", UpstreamProtocolError),
        (message(b"{}", message_type="event"), UpstreamProtocolError),
        (message(b"{}", message_type="exception"), UpstreamProtocolError),
        (message(b"{}"), UpstreamProtocolError),
    ],
)
def test_what_is_no_message(data: bytes, failure: type[ServiceError]) -> None:
    """The first bytes show that a message is too large or none: the rest is not waited for."""
    events, found = read([data[:12], data[12:], WHOLE])
    assert events == []
    assert type(found) is failure


def test_damaged_headers() -> None:
    """Headers that cannot be read fail also if their checksums are valid."""
    for headers in (b"\x05:", header(":a", "b") * 2, b"\x02:a\x63", b"\x02:a\x07\x00\x02\xff\xff"):
        start = prelude(16 + len(headers), len(headers)) + headers
        _, failure = read([start + struct.pack(">I", crc32(start))])
        assert isinstance(failure, UpstreamProtocolError)


def test_an_end_within_a_message() -> None:
    """A body that ends within a message is truncated; one that ends after it is not."""
    stream = AwsEventStream()
    stream.feed(START + TEXT[:-1])
    with pytest.raises(UpstreamTruncated):
        stream.end()
    assert len(stream.feed(TEXT[-1:])) == 1
    assert stream.end() == []
