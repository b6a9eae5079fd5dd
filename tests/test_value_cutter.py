"""Large values are cut out of JSON that arrives in parts of any size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire.core.errors import UpstreamResponseTooLarge, UpstreamTruncated
from tokenwire.upstreams.http.value_cutter import ValueCutter

TEXTS = st.text(max_size=8) | st.sampled_from(['"v":[1]', '\\"v":[', "v", '"v"'])
VALUES = st.lists(st.integers(-9, 9), max_size=4) | st.text("abcXYZ+/=09", max_size=6)
ITEMS = st.fixed_dictionaries({"name": TEXTS, "v": VALUES}, optional={"index": st.integers()})
SPACES = st.sampled_from([None, (",", ":"), (" ,\n", " : ")])


def cutter(values: list[bytes], *, largest: int = 1_000, rest: int = 10_000) -> ValueCutter:
    return ValueCutter("v", values.append, max_value_bytes=largest, max_rest_bytes=rest)


@given(items=st.lists(ITEMS, max_size=5), spaces=SPACES, sizes=st.lists(st.integers(1, 9)))
def test_values_are_found_wherever_the_parts_end(
    items: list[dict[str, object]], spaces: tuple[str, str] | None, sizes: list[int]
) -> None:
    """Each value arrives whole and in order, and the rest has its placeholder."""
    data = json.dumps({"data": items}, separators=spaces).encode()
    found: list[bytes] = []
    cut = cutter(found)
    for size in sizes:
        cut.feed(data[:size])
        data = data[size:]
    cut.feed(data)
    assert [json.loads(value) for value in found] == [item["v"] for item in items]
    rest = json.loads(cut.end())
    expected = [item | {"v": cut.placeholder(number)} for number, item in enumerate(items)]
    assert rest == {"data": expected}
    assert cut.count == len(items)


def test_values_can_be_dropped() -> None:
    """Without a receiver, values of any size are dropped."""
    cut = ValueCutter("v", None, max_value_bytes=0, max_rest_bytes=50)
    cut.feed(b'{"v":[')
    for _ in range(1_000):
        cut.feed(b"1," * 1_000)
    cut.feed(b'1],"n":7}')
    assert json.loads(cut.end()) == {"v": cut.placeholder(0), "n": 7}


def test_sizes_are_limited() -> None:
    """A value or a rest over its limit is rejected before it is complete."""
    cut = cutter([], largest=10)
    cut.feed(b'{"v":[')
    with pytest.raises(UpstreamResponseTooLarge):
        cut.feed(b"1," * 10)
    cut = cutter([], rest=10)
    with pytest.raises(UpstreamResponseTooLarge):
        cut.feed(b"1," * 10)


def test_an_end_within_a_value_is_noticed() -> None:
    """JSON that ends within a value is truncated."""
    cut = cutter([])
    cut.feed(b'{"v":[1,')
    with pytest.raises(UpstreamTruncated):
        cut.end()
