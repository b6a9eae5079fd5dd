"""JSON in pieces: the same JSON, and no piece that takes long."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenwire.core import json_pieces
from tokenwire.core.json_pieces import ITEM, PIECE, is_large, pieces

ESCAPED = 6
"""Bytes of a control character."""

# Without surrogates, which no text of a gRPC message can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, piece=st.integers(1, 60))
def test_the_pieces_are_the_json(monkeypatch: pytest.MonkeyPatch, value: Any, piece: int) -> None:
    """Put together, the pieces of any value are its JSON, however small they are."""
    monkeypatch.setattr(json_pieces, "PIECE", piece)
    made = list(pieces(value))
    assert json.loads(b"".join(made)) == value
    assert all(made)


LARGE: dict[str, Any] = {
    "one text": "\x01" * 1_000_000,
    "many messages": [{"role": "user", "content": "\x01" * 100}] * 10_000,
    "empty lists": [[]] * 100_000,
    "nested texts": {"one": ["\x01" * 100_000, {"two": "\x01" * 100_000}], "three": "\x01"},
}


def test_no_piece_is_large(subtests: pytest.Subtests) -> None:
    """Long texts and long lists are cut alike; a piece is about as large as the next."""
    for name, value in LARGE.items():
        with subtests.test(value=name):
            sizes = [len(piece) for piece in pieces(value)]
            assert max(sizes) <= 2 * ESCAPED * PIECE


def test_large_is_what_makes_more_than_a_piece() -> None:
    """Long texts and many small values are both large."""
    assert not is_large({"text": "x" * (PIECE - 10 * ITEM)})
    assert is_large({"text": "x" * PIECE})
    assert is_large([None] * (PIECE // ITEM))
