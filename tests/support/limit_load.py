"""Callers of one key at several servers, and what each of them got, with the times."""

import asyncio
import random
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import grpc

from support.app import Stub
from support.helpers import reason_of
from support.limits import bearer
from tokenwire.limits.lease import SLICE_TOKENS
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

TOKENS_PER_SECOND: Final = 20
MOST_TOKENS: Final = 600
MOST_INPUT_TOKENS: Final = 60
"""More than the estimate of the prompt below."""
LIMIT_REASONS: Final = ("CALLER_RATE_LIMITED", "CALLER_BUDGET_EXHAUSTED")


@dataclass
class LoggedCall:
    """A call and what it got.

    Attributes:
        server: The number of its server.
        begun: When it began, on the clock of `time.monotonic`, as all times here.
        ended: When it ended.
        received: Times and numbers of tokens.
        reason: Why it failed; empty if it did not.
    """

    server: int
    begun: float
    ended: float = float("inf")
    received: list[tuple[float, int]] = field(default_factory=list)
    reason: str = ""


class LimitLoad:
    """Calls with answers of random length, one after the other at random servers.

    Args:
        stubs: Clients of the servers.
        seed: Decides on the lengths and the servers.

    Attributes:
        calls: All calls so far.
        gone: The numbers of servers that are not called any more.
    """

    def __init__(self, stubs: Sequence[Stub], seed: int = 1) -> None:
        self._stubs = stubs
        self._random = random.Random(seed)  # noqa: S311 - no secrets
        self.calls: list[LoggedCall] = []
        self.gone: set[int] = set()

    @asynccontextmanager
    async def running(self, callers: int) -> AsyncIterator[None]:
        """Run a number of callers; leaving waits for the ends of their calls."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(self._call_until(stop))
            yield
            stop.set()

    async def _call_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            servers = [each for each in range(len(self._stubs)) if each not in self.gone]
            call = LoggedCall(self._random.choice(servers), time.monotonic())
            self.calls.append(call)
            await self._make(call)
            if call.reason:
                await asyncio.sleep(self._random.uniform(0.5, 1.5))

    async def _make(self, call: LoggedCall) -> None:
        tokens = self._random.randint(10, MOST_TOKENS)
        plan = (
            f'pace tokens-per-second={TOKENS_PER_SECOND}; filler {tokens} "word "; finish; '
            f"usage 20 {tokens}; done"
        )
        message = pb.Message(content=f"[[demo: {plan}]]")
        try:
            answers = self._stubs[call.server].Send(message, metadata=bearer())
            async for answer in answers:
                if count := len(answer.content.split()):
                    call.received.append((time.monotonic(), count))
        except grpc.aio.AioRpcError as error:
            # A server that is killed ends its connections without a reason.
            call.reason = "LOST" if call.server in self.gone else reason_of(error)
        finally:
            call.ended = time.monotonic()

    def refusals(self) -> list[LoggedCall]:
        """Return the calls that a limit has refused or cut."""
        return [call for call in self.calls if call.reason in LIMIT_REASONS]


class LimitHistory:
    """What the calls of a load have used at each time.

    Args:
        calls: The calls, which have ended.
        limit: The most tokens of a window.
    """

    def __init__(self, calls: Sequence[LoggedCall], limit: int) -> None:
        self._limit = limit
        self._begun = sorted(call.begun for call in calls)
        self._ended = sorted(call.ended for call in calls)
        self._answered = sorted(call.ended for call in calls if call.received)
        events = sorted(event for call in calls for event in call.received)
        self._times = [moment for moment, _ in events]
        self._sums = list(accumulate((count for _, count in events), initial=0))

    def over(self, seconds: float) -> int:
        """Return by how much the limit was exceeded at most, beyond a slice per running call.

        Args:
            seconds: The length of the window.
        """
        return max(
            self._received(moment - seconds, moment)
            - self._limit
            - SLICE_TOKENS * self._running(moment, moment)
            for moment in self._times
        )

    def free(self, refused: Sequence[LoggedCall], seconds: float, orphans: int) -> int:
        """Return how much was free at most when a call was refused, beyond a slice per call.

        Args:
            refused: The calls that were refused or cut.
            seconds: The longest time for which a token counts.
            orphans: The leases of calls that a killed process had.
        """
        return max(
            self._limit
            - self._received(call.ended - seconds, call.ended)
            - MOST_INPUT_TOKENS * self._recent(call.ended - seconds, call.ended)
            - SLICE_TOKENS * (self._running(call.ended - 1, call.ended) + orphans + 1)
            for call in refused
        )

    def _received(self, since: float, until: float) -> int:
        first, last = bisect_left(self._times, since), bisect_right(self._times, until)
        return self._sums[last] - self._sums[first]

    def _recent(self, since: float, until: float) -> int:
        """Return the number of answered calls that ended since a time, or had not ended."""
        ended = bisect_left(self._answered, since)
        return min(len(self._answered) - ended, bisect_right(self._begun, until))

    def _running(self, since: float, until: float) -> int:
        return bisect_right(self._begun, until) - bisect_left(self._ended, since)


@asynccontextmanager
async def stubs_of(addresses: Sequence[str]) -> AsyncIterator[list[Stub]]:
    """Yield clients of servers."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address))
            for address in addresses
        ]
        yield [chatgpt_pb2_grpc.ChatgptStub(channel) for channel in channels]
