"""Rows 57 to 64: callers, their models and their limits, through each protocol."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from protocols.calls import CallResult, assert_fails, begin, call, result_of
from protocols.drivers import ANSWERS, METHODS, SETTINGS, each_of
from protocols.drivers.base import ProtocolMethod, Wanted
from protocols.ledger import Ledger, keep_ledger
from support.app import MODEL
from support.gateway import gateway_world
from support.helpers import retry_delay_of
from support.limits import KEY, bearer
from support.waiting import within
from tokenwire.cli.keys import hash_of
from tokenwire_demo import DemoUpstream

MODELS: dict[str, Any] = {
    MODEL: {"routes": "one/a", "price": {"input": 1, "output": 2000}},
    "other": {"routes": "one/b", "price": {"input": 1, "output": 2}},
}
OLD_KEY = "tw_team_canary3"
LONG = 'filler 100000 "word "; finish; usage 20 100000; done'


class CallersWorld:
    """A server with one caller, `team`.

    Attributes:
        channel: A channel to the server.
        upstream: Its upstream.
        ledger: Compares what the server counts, logs and records with the calls.
    """

    def __init__(self, channel: grpc.aio.Channel, upstream: DemoUpstream, ledger: Ledger) -> None:
        self.channel = channel
        self.upstream = upstream
        self.ledger = ledger

    async def call(
        self, method: ProtocolMethod, wanted: Wanted | None = None, key: str = KEY
    ) -> CallResult:
        """Make a call of the caller."""
        return await call(self.channel, method, wanted or Wanted(), metadata=bearer(key))


@asynccontextmanager
async def callers_world(
    folder: Path, store: dict[str, Any] | None = None, **caller: Any
) -> AsyncIterator[CallersWorld]:
    """Start a server.

    Args:
        folder: The folder of its files.
        store: The section `limits` of the gateway file.
        caller: Further keys of the caller in the file.
    """
    keys = [hash_of(KEY), {"hash": hash_of(OLD_KEY), "not_after": "2020-01-01"}]
    usage = folder / "usage.jsonl"
    async with (
        gateway_world(
            folder,
            MODELS,
            {"one": {}},
            callers={"team": {"keys": keys, **caller}},
            limits=store,
            protocols=SETTINGS["protocols"],
            usage_file=usage,
        ) as gateway,
        grpc.aio.insecure_channel(gateway.app.address) as channel,
    ):
        with keep_ledger(gateway.app, usage) as ledger:
            yield CallersWorld(channel, gateway.upstreams["one"], ledger)


REFUSED: dict[str, tuple[tuple[str, str], ...]] = {
    "CREDENTIALS_MISSING": (),
    "CREDENTIALS_INVALID": bearer("tw_team_wrong"),
    "CREDENTIALS_EXPIRED": bearer(OLD_KEY),
}


async def test_rows_57_to_59_credentials(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """No method answers a caller without a key that is accepted."""
    async with callers_world(tmp_path) as world:
        for reason, metadata in REFUSED.items():
            ending = ("UNAUTHENTICATED", reason)
            for method in METHODS:
                result = await call(world.channel, method, metadata=metadata)
                with subtests.test(method=str(method), reason=reason):
                    assert_fails(method, result, ending)
            await world.ledger.check((method, ending) for method in METHODS)
        assert world.upstream.requests_seen == 0


async def test_row_60_a_model_of_others(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A caller may not use a model that its section does not name."""
    async with callers_world(tmp_path, models=["other"]) as world:
        naming = [method for method in METHODS if "model" in method.fields]
        ending = ("PERMISSION_DENIED", "MODEL_NOT_ALLOWED")
        for method in naming:
            result = await world.call(method, Wanted(model=MODEL))
            with subtests.test(method=str(method)):
                assert_fails(method, result, ending, fields=[method.fields["model"]])
        await world.ledger.check((method, ending) for method in naming)
        assert world.upstream.requests_seen == 0


def assert_limited(
    method: ProtocolMethod, result: CallResult, ending: tuple[str, str], limit: str
) -> None:
    """Assert that a limit has rejected a call, which is told when there is room again."""
    assert result.error
    wait = retry_delay_of(result.error)
    assert wait
    assert_fails(method, result, ending, retry_after=wait, limit=limit)


async def fail_by_limit(
    world: CallersWorld,
    methods: Iterable[ProtocolMethod],
    ending: tuple[str, str],
    limit: str,
    subtests: pytest.Subtests,
) -> list[tuple[ProtocolMethod, tuple[str, str]]]:
    """Check that a limit rejects a call of each method, and return how these ended."""
    made = []
    before = world.upstream.requests_seen
    for method in methods:
        result = await world.call(method)
        made.append((method, result.ending))
        with subtests.test(method=str(method)):
            assert_limited(method, result, ending, limit)
    assert world.upstream.requests_seen == before
    return made


RATES = {"requests": "1/m", "tokens": "300/m"}


@pytest.mark.parametrize("unit", RATES)
async def test_row_61_rates(tmp_path: Path, unit: str, subtests: pytest.Subtests) -> None:
    """A call over a rate is told which one, and when to come back."""
    async with callers_world(tmp_path, limits={unit: RATES[unit]}) as world:
        world.upstream.script("tokens 100; finish; usage 50 100; done")
        assert (await world.call(ANSWERS[0])).ending == ("OK", "")
        ending = ("RESOURCE_EXHAUSTED", "CALLER_RATE_LIMITED")
        made = await fail_by_limit(world, ANSWERS, ending, f"{unit}/m", subtests)
        await world.ledger.check([(ANSWERS[0], ("OK", "")), *made])


async def test_row_62_streams(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A call beyond the caller's calls at once is told when to come back."""
    async with callers_world(tmp_path, limits={"streams": 1}) as world:
        world.upstream.script("barrier held; answer")
        running = begin(world.channel, ANSWERS[0], metadata=bearer())
        await world.upstream.barrier("held").reached()
        ending = ("RESOURCE_EXHAUSTED", "CALLER_TOO_MANY_STREAMS")
        made = await fail_by_limit(world, ANSWERS, ending, "streams", subtests)
        world.upstream.barrier("held").release()
        assert (await result_of(ANSWERS[0], running)).ending == ("OK", "")
        await world.ledger.check([(ANSWERS[0], ("OK", "")), *made])


@each_of(ANSWERS)
async def test_row_63_the_budget(
    tmp_path: Path, subtests: pytest.Subtests, method: ProtocolMethod
) -> None:
    """A budget that is used up cuts an answer, which is paid, and rejects all calls after it."""
    async with callers_world(tmp_path, limits={"dollars": "2/d"}) as world:
        world.upstream.script(LONG)
        result = await world.call(method)
        ending = ("RESOURCE_EXHAUSTED", "CALLER_BUDGET_EXHAUSTED")
        assert_fails(method, result, ending, limit="dollars/d")
        assert bool(result.texts) is method.streams
        await within(10, "the upstream is left", lambda: not world.upstream.active_requests)
        assert world.upstream.requests[-1].outcome == "client gone"
        assert (await world.ledger.last_record()).output_tokens > 0
        made = await fail_by_limit(world, ANSWERS, ending, "dollars/d", subtests)
        await world.ledger.check([(method, ending), *made])


async def test_row_64_no_store(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Without the store of limits a call is rejected, if the gateway file says so."""
    store = {"store": "redis://127.0.0.1:1/0", "without_store": "refuse"}
    async with callers_world(tmp_path, store, limits={"requests": "9/m"}) as world:
        made = []
        for method in ANSWERS:
            result = await world.call(method)
            made.append((method, result.ending))
            with subtests.test(method=str(method)):
                ending = ("UNAVAILABLE", "LIMITS_UNAVAILABLE")
                assert result.error
                wait = retry_delay_of(result.error)
                assert wait
                assert_fails(method, result, ending, retry_after=wait)
        await world.ledger.check(made)
        assert world.upstream.requests_seen == 0
