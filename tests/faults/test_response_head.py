"""The limit of a response head allows for large headers of proxies."""

import grpc
import pytest

from support.helpers import reason_of, text_of
from support.raw_upstream import ANSWER, HEAD, raw_upstream
from support.world import open_world

LIMIT = 65_536


def head(size: int, fields: int) -> bytes:
    """Return a head of `size` bytes in all, mostly in `fields` headers."""
    room = size - len(HEAD)
    each = room // fields
    made = b"".join(b"x-%04d: %b\r\n" % (n, b"v" * (each - 10)) for n in range(fields))
    made += b"x: %b\r\n" % (b"v" * (room - len(made) - 5)) if room - len(made) >= 5 else b""
    return HEAD[:-2] + made + b"\r\n"


@pytest.mark.parametrize(("size", "fields"), [(9_100, 1), (60_000, 1), (LIMIT, 1), (LIMIT, 1_000)])
async def test_a_large_head_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, size: int, fields: int
) -> None:
    """Headers of up to 64 KiB in all are read, in one header or in many."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        raw.pieces = (head(size, fields), ANSWER)
        answers, error = await world.ended(world.send())
        assert error is None
        assert text_of(answers).startswith("Gr")
        await world.check(grpc.StatusCode.OK)


@pytest.mark.parametrize("fields", [1, 1_000])
async def test_a_larger_head_is_no_response(monkeypatch: pytest.MonkeyPatch, fields: int) -> None:
    """A head over the limit is UPSTREAM_UNREACHABLE, even if each of its headers is below it."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        large = head(LIMIT + 1_000, fields)
        # In pieces, as they arrive over a network, and without an end.
        raw.pieces = [large[at : at + 5_000] for at in range(0, len(large) - 4, 5_000)]
        answers, error = await world.ended(world.send())
        assert not answers
        assert error is not None
        assert reason_of(error) == "UPSTREAM_UNREACHABLE"
        await world.check(grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNREACHABLE")


HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


async def test_interim_responses_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Informational responses are skipped, wherever they are split."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        whole = HINTS * 10 + HEAD + ANSWER
        for size in (1, 7, len(HINTS), len(whole)):
            raw.pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
            answers, error = await world.ended(world.send())
            assert error is None
            assert text_of(answers).startswith("Gr")
            await world.check(grpc.StatusCode.OK)


@pytest.mark.parametrize(
    "pieces",
    [[HINTS * 100] * 100, [HINTS, *[head(LIMIT // 2, 1)[:-2]] * 3], [b"\r\n" * 1_000] * 100],
    ids=["endless", "a large head behind", "empty lines"],
)
async def test_interim_responses_are_bounded(
    monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    """Informational responses count toward the limit of the response head."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        raw.pieces = [*pieces, HEAD, ANSWER]
        answers, error = await world.ended(world.send())
        assert not answers
        assert error is not None
        assert reason_of(error) == "UPSTREAM_UNREACHABLE"
        await world.check(grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNREACHABLE")
