"""A server with all protocols, and checks of one fault through each of their methods."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest

from protocols.calls import HELLO, CallResult, assert_fails, call
from protocols.drivers import ANSWERS, ASKING, SETTINGS
from protocols.drivers.base import ProtocolMethod, Wanted
from protocols.ledger import Ledger, keep_ledger
from support.waiting import within
from support.world import World, open_world

OpenProtocols: TypeAlias = "Callable[..., Awaitable[ProtocolWorld]]"
"""Starts a server with all protocols and the given settings."""


MOST_REQUESTS = 4
"""More requests than one call makes."""


class ProtocolWorld:
    """A world whose server has all protocols.

    Attributes:
        world: The server, its upstream and everything they expose.
        ledger: Compares what the server counts, logs and records with the calls.
        subtests: Reports each method that fails.
    """

    def __init__(self, world: World, ledger: Ledger, subtests: pytest.Subtests) -> None:
        self.world = world
        self.ledger = ledger
        self.subtests = subtests

    async def warm_up(self, calls: int) -> None:
        """Open as many connections to the upstream as calls at once need."""
        await self.world.warm_up(calls)
        await self.ledger.check([(ANSWERS[0], ("OK", ""))] * calls)

    async def call(
        self,
        method: ProtocolMethod,
        plan: str | None = None,
        wanted: Wanted = HELLO,
        **options: Any,
    ) -> CallResult:
        """Make a call; a plan applies to every request of it."""
        upstream = self.world.upstream
        if plan:
            # For a request that is repeated, and sent again on another connection.
            upstream.script(*[plan] * MOST_REQUESTS)
        try:
            return await call(self.world.channel, method, wanted, **options)
        finally:
            if plan:
                upstream.clear()

    async def check(self, calls: Iterable[tuple[ProtocolMethod, tuple[str, str]]]) -> None:
        """Check that nothing is left of these calls but what is counted, logged and recorded."""
        calls = list(calls)
        await self.ledger.check(calls)
        await self.world.check_all((grpc.StatusCode[code], reason) for _, (code, reason) in calls)

    async def fails(
        self,
        methods: Iterable[ProtocolMethod],
        plan: str,
        ending: tuple[str, str],
        *,
        tokens: int = 0,
        **details: Any,
    ) -> None:
        """Check that a call of each method fails in one way, after a number of tokens.

        Args:
            methods: The methods.
            plan: What the upstream does.
            ending: The code and the reason.
            tokens: The words that a stream has before the failure; a unary method has none.
            details: What the status says, as for `assert_fails`.
        """
        made = []
        for method in methods:
            result = await self.call(method, plan)
            made.append((method, result.ending))
            with self.subtests.test(method=str(method), plan=plan[:80]):
                assert_fails(method, result, ending, **details)
                words = "".join(result.texts).split()
                assert len(words) == (tokens if method.streams else 0)
                assert not result.finish
        # Outside of the subtests, which open files.
        await self.check(made)


@asynccontextmanager
async def open_protocols(
    monkeypatch: pytest.MonkeyPatch, folder: Path, subtests: pytest.Subtests, **settings: Any
) -> AsyncIterator[ProtocolWorld]:
    """Start a server with all protocols; `settings` are further ones of it."""
    usage = folder / "usage.jsonl"
    values: Mapping[str, Any] = {**SETTINGS, "usage_file": usage, **settings}
    async with open_world(monkeypatch, **values) as world:
        # So that the file and all connections are open.
        await within(5, "the first record", usage.exists)
        for method in ASKING:
            await call(world.channel, method)
        await world.start()
        # A world starts with a call of its own.
        with keep_ledger(world.app, usage, earlier=1 + len(ASKING) + 1) as ledger:
            yield ProtocolWorld(world, ledger, subtests)
