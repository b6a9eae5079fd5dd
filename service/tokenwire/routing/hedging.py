"""Asks a second route when the first one is slow; the first to speak answers."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, Completion, Delta
from tokenwire.routing.call_routes import CallRoutes, moves_on
from tokenwire.routing.routes import Lease

Event: TypeAlias = Delta | Completion
Ask: TypeAlias = Callable[[Lease, CallRecord], AnswerStream]
"""Asks a route, and returns its answer."""


@dataclass(slots=True)
class Racer:
    """A request that has not spoken yet.

    Attributes:
        lease: Its place at the upstream.
        call: Its own record, so that no other request changes it.
        answer: Its answer.
        reports: The reports of progress so far, which are no part of the answer.
        first: Waits for the first event of the answer.
    """

    lease: Lease
    call: CallRecord
    answer: AnswerStream
    reports: list[Event] = field(default_factory=list)
    first: "asyncio.Task[Event]" = field(init=False)

    def __post_init__(self) -> None:
        self.first = asyncio.create_task(self._first())

    async def _first(self) -> Event:
        async for event in self.answer:
            if isinstance(event, Completion) or event.tokens:
                return event
            self.reports.append(event)
        raise errors.UpstreamTruncated

    async def close(self) -> None:
        """End the request."""
        self.first.cancel()
        await asyncio.wait((self.first,))
        if not self.first.cancelled():
            # A failure of the one that lost says nothing any more.
            self.first.exception()
        await self.answer.aclose()


async def hedged(
    routes: CallRoutes, lease: Lease, call: CallRecord, ask: Ask, seconds: float
) -> AnswerStream:
    """Stream the answer of a route, or of a second one if the first does not speak in time.

    The second route is asked once, if the budget pays for it. The one that loses is closed before
    the first event is passed on. Reports of progress are passed on with the first event.

    Args:
        routes: The routes of the call. Its `lease` is the place of the one that answers.
        lease: The place on the first route.
        call: The record of the call; it gets what the record of the one that answers has.
        ask: Asks a route.
        seconds: How long the first route has to speak.

    Raises:
        ServiceError: The first route fails as no other route can change, or both fail.
    """
    async with AsyncExitStack() as stack:
        first = _start(stack, lease, call, ask)
        racers, winner = [first], first
        try:
            await asyncio.wait((first.first,), timeout=seconds)
            if not (first.first.done() or first.call.attempts.received):
                second_lease = routes.hedge()
                if second_lease:
                    stack.enter_context(second_lease)
                    racers.append(_start(stack, second_lease, call, ask))
            winner = await _first_to_speak(routes, racers)
            for racer in racers:
                if racer is not winner:
                    await racer.close()
        finally:
            routes.lease = winner.lease
            _adopt(call, winner, [racer for racer in racers if racer is not winner])
        try:
            event = await winner.first
            for report in winner.reports:
                yield report
            yield event
            async for event in winner.answer:
                yield event
        except errors.ServiceError as failure:
            # Now, because the place of a second route ends with this block.
            routes.failed(winner.lease, failure)
            raise


def _start(stack: AsyncExitStack, lease: Lease, call: CallRecord, ask: Ask) -> Racer:
    own = replace(call, attempts=replace(call.attempts, retries=[], failures=[], count=0))
    racer = Racer(lease, own, ask(lease, own))
    stack.push_async_callback(racer.close)
    return racer


def _adopt(call: CallRecord, winner: Racer, others: list[Racer]) -> None:
    """Let a call go on with the record of one of its requests, which others are added to."""
    before, attempts = call.attempts, winner.call.attempts
    attempts.count += before.count
    attempts.failures[:0] = before.failures
    attempts.retries = before.retries
    for other in others:
        attempts.count += other.call.attempts.count
        attempts.failures += other.call.attempts.failures
    call.attempts = attempts
    call.usage_so_far = winner.call.usage_so_far
    call.stage = winner.call.stage


async def _first_to_speak(routes: CallRoutes, racers: list[Racer]) -> Racer:
    """Return the first one with an event, or the one whose failure ends the race."""
    racing = {racer.first: racer for racer in racers}
    while True:
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in racing if task.done()]:
            racer, failure = racing.pop(task), task.exception()
            if not racing or not isinstance(failure, errors.ServiceError):
                return racer
            if racer is racers[0] and not moves_on(failure):
                # The caller caused it, or it is paid for.
                return racer
            routes.failed(racer.lease, failure)
