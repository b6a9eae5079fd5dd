"""Somebody who tries many keys learns nothing, and costs little."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from benchmarks import wrong_keys
from support.exposed import Series, read, series
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.unary import error_of
from tokenwire.cli.keys import hash_of

MODELS: dict[str, Any] = {"fast": {"routes": "one/a"}}
KEY = "tw_team_canary1"
CALLERS = {"team": {"keys": [hash_of(KEY)]}}
CALLS = 300


async def refusal(world: GatewayWorld, key: str) -> tuple[object, ...]:
    """Return all that a caller is told who sends a wrong key."""
    metadata = (("x-api-key", key), ("x-request-id", "same"))
    error: Any = await error_of(world.stub.Ask(HELLO, metadata=metadata))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    trailers = sorted((name, value) for name, value in error.trailing_metadata() or ())
    return error.details(), tuple(trailers), tuple(error.initial_metadata() or ())


async def test_all_wrong_keys_are_refused_alike(tmp_path: Path) -> None:
    """A key that is nearly right, one of another caller's form and nonsense have one status."""
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=CALLERS) as world:
        wrong = (KEY[:-1], f"{KEY}2", KEY.upper(), "tw_nobody_x", hash_of(KEY), "", "x" * 5_000)
        assert len({await refusal(world, key) for key in wrong}) == 1


async def test_wrong_keys_move_their_counter(tmp_path: Path) -> None:
    """Many different keys add to the same series and create none; no caller is charged."""
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=CALLERS) as world:
        await refusal(world, "wrong")
        before = await read(world.app)
        keys = [wrong_keys.random_key() for _ in range(CALLS)]
        await asyncio.gather(*(refusal(world, key) for key in keys))
        after = await read(world.app)
        risen = difference(before.counted(), after.counted())
        reason = {"reason": "CREDENTIALS_INVALID"}
        assert risen[series("tokenwire_rejected_total", **reason)] == CALLS
        assert [name for name, _ in risen].count("tokenwire_rejected_total") == 1
        assert not any("caller" in name for name, _ in risen)
        assert before.values.keys() == after.values.keys()
        assert world.seen() == {"one": 0}


def difference(
    before: Mapping[Series, float], after: Mapping[Series, float]
) -> dict[Series, float]:
    """Return by how much each counter has risen, without those that have not."""
    risen = {key: value - before.get(key, 0.0) for key, value in after.items()}
    return {key: value for key, value in risen.items() if value}


def test_the_benchmark_measures_each_kind() -> None:
    """`make bench-keys` measures all kinds of wrong keys, none of which is accepted."""
    assert [kind for kind, _ in wrong_keys.measure(count=20)] == list(wrong_keys.KINDS)
