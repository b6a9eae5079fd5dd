"""Hypothesis strategies that damage bytes the way networks, proxies and bugs do."""

from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import strategies as st

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

MOST_OPERATIONS = 4
MOST_CUTS = 6

SPLICES = st.one_of(
    st.binary(min_size=1, max_size=16),
    st.sampled_from(
        [
            *(b"\n", b"\n\n", b"\r", b"\r\n", b"\0", b":", b" ", b"\xff", b"\xef\xbb\xbf"),
            *(b"data", b"data: ", b"data:\n\n", b"data: [DONE]\n\n", b"event: error\n"),
            *(b"event: ping\n\n", b"id: 1\n", b"retry: 0\n", b'{"error":{}}', b"\\ud800"),
            *(b"null", b"true", b"-1", b"1e999", b"NaN", b'""', b'"', b"{", b"}", b"[", b"]"),
        ]
    ),
)


def _flip(data: bytes, draw: Draw) -> bytes:
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    flipped = bytes(each ^ draw(st.integers(1, 255)) for each in data[at : at + 1])
    return data[:at] + flipped + data[at + 1 :]


def _cut(data: bytes, draw: Draw) -> bytes:
    start, end = _range(data, draw)
    return data[:start] + data[end:]


def _end(data: bytes, draw: Draw) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _duplicate(data: bytes, draw: Draw) -> bytes:
    start, end = _range(data, draw)
    return data[:end] + data[start:end] + data[end:]


def _splice(data: bytes, draw: Draw) -> bytes:
    at = draw(st.integers(0, len(data)))
    inserted: bytes = draw(SPLICES)
    return data[:at] + inserted + data[at:]


def _range(data: bytes, draw: Draw) -> tuple[int, int]:
    start = draw(st.integers(0, len(data)))
    return start, draw(st.integers(start, len(data)))


OPERATIONS = (_flip, _cut, _end, _duplicate, _splice)


@st.composite
def mutated(draw: Draw, originals: st.SearchStrategy[bytes]) -> bytes:
    """Return one of `originals` with up to MOST_OPERATIONS mutations."""
    data: bytes = draw(originals)
    for _ in range(draw(st.integers(0, MOST_OPERATIONS))):
        data = draw(st.sampled_from(OPERATIONS))(data, draw)
    return data


@st.composite
def in_pieces(draw: Draw, wholes: st.SearchStrategy[bytes]) -> list[bytes]:
    """Return one of `wholes`, cut into pieces at random positions; pieces may be empty."""
    data: bytes = draw(wholes)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=MOST_CUTS)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
