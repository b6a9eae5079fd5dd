"""Routes of a tier share the calls by weight, or by load where the weights are equal."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tokenwire.routing.tiers import Tier, Weighted

PICKS = 10_000
WEIGHTS = st.lists(st.floats(0.01, 100), min_size=2, max_size=8)


def everyone(_: int) -> bool:
    """Allow every choice."""
    return True


def tier_of(weights: list[float], load: Counter[int] | None = None) -> Tier[int]:
    """Return a tier of numbered choices."""
    choices = [Weighted(n, weight) for n, weight in enumerate(weights)]
    return Tier(choices, (Counter() if load is None else load).__getitem__)


@given(WEIGHTS)
def test_shares_are_within_two_percent(weights: list[float]) -> None:
    """Over 10,000 picks, each choice has its share of the calls within 2 % of all calls."""
    tier = tier_of(weights)
    picked = Counter(tier.pick(everyone) for _ in range(PICKS))
    for n, weight in enumerate(weights):
        assert abs(picked[n] - PICKS * weight / sum(weights)) <= PICKS * 0.02


@given(WEIGHTS, st.data())
def test_those_that_are_left_share_by_their_weights(
    weights: list[float], data: st.DataObject
) -> None:
    """When choices are not allowed, the others share by their own weights; none allowed is None."""
    tier = tier_of(weights)
    allowed = data.draw(st.sets(st.integers(0, len(weights) - 1)))
    picked = Counter(tier.pick(allowed.__contains__) for _ in range(1_000))
    assert all(n in allowed for n in picked if n is not None)
    assert (None in picked) is not bool(allowed)
    total = sum(weights[n] for n in allowed)
    for n in allowed:
        assert abs(picked[n] - 1_000 * weights[n] / total) <= 1_000 * 0.02


@given(st.integers(2, 8), st.lists(st.booleans(), max_size=300))
def test_equal_weights_share_the_load(size: int, steps: list[bool]) -> None:
    """With equal weights a call goes to a choice with the fewest streams."""
    load: Counter[int] = Counter()
    tier = tier_of([2.0] * size, load)
    for begins in steps:
        if begins:
            fewest = min(load[n] for n in range(size))
            found = tier.pick(everyone)
            assert found is not None
            assert load[found] == fewest
            load[found] += 1
        elif busy := [n for n in range(size) if load[n]]:
            load[busy[0]] -= 1


def test_equals_take_turns() -> None:
    """Without load, equal choices are taken in turn."""
    tier = tier_of([1.0] * 3)
    assert [tier.pick(everyone) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_heavy_choice_is_not_taken_in_a_burst() -> None:
    """The picks of unequal choices are spread: 5, 1 and 1 give a, a, b, a, c, a, a."""
    tier = tier_of([5.0, 1.0, 1.0])
    assert [tier.pick(everyone) for _ in range(7)] == [0, 0, 1, 0, 2, 0, 0]
