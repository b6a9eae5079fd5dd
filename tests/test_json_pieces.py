"""JSON in pieces: the pieces form the same JSON, and no piece takes long to encode."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenwire.core import json_pieces
from tokenwire.core.json_pieces import (
    ITEM_WEIGHT,
    PIECE_WEIGHT,
    Base64,
    encode,
    is_large,
    pieces,
)

ESCAPED = 6
"""The length in bytes of an escaped control character."""

# Without surrogates, which a gRPC message cannot contain.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, piece=st.integers(1, 60))
def test_the_pieces_are_the_json(monkeypatch: pytest.MonkeyPatch, value: Any, piece: int) -> None:
    """The joined pieces of any value are its JSON, however small they are."""
    monkeypatch.setattr(json_pieces, "PIECE_WEIGHT", piece)
    made = list(pieces(value))
    assert json.loads(b"".join(made)) == value
    assert all(made)


LARGE: dict[str, Any] = {
    "one text": "\x01" * 1_000_000,
    "many messages": [{"role": "user", "content": "\x01" * 100}] * 10_000,
    "data": {"url": Base64(b"x" * 1_000_000, "data:image/png;base64,")},
    "empty lists": [[]] * 100_000,
    "nested texts": {"one": ["\x01" * 100_000, {"two": "\x01" * 100_000}], "three": "\x01"},
}


def test_no_piece_is_large(subtests: pytest.Subtests) -> None:
    """Long texts and long lists are split alike, and no piece is much larger than another."""
    for name, value in LARGE.items():
        with subtests.test(value=name):
            sizes = [len(piece) for piece in pieces(value)]
            assert max(sizes) <= 2 * ESCAPED * PIECE_WEIGHT


def test_large_is_what_makes_more_than_a_piece() -> None:
    """Both long texts and many small values count as large."""
    assert not is_large({"text": "x" * (PIECE_WEIGHT - 10 * ITEM_WEIGHT)})
    assert is_large({"text": "x" * PIECE_WEIGHT})
    assert is_large({"data": Base64(b"x" * PIECE_WEIGHT)})
    assert is_large([None] * (PIECE_WEIGHT // ITEM_WEIGHT))


@given(data=st.binary(max_size=300_000), prefix=st.sampled_from(["", "data:;base64,"]))
def test_data_becomes_base64(data: bytes, prefix: str) -> None:
    """Bytes become the same string in one piece and in many, of the length that they report."""
    value = Base64(data, prefix)
    text = prefix + b64encode(data).decode()
    assert json.loads(encode({"a": [value]})) == {"a": [text]}
    assert json.loads(b"".join(pieces({"a": [value], "b": value}))) == {"a": [text], "b": text}
    assert len(value) == len(text)
