"""Simulates one event loop that relays streams, as a queue with a single server."""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.capacity.costs import Costs
from benchmarks.capacity.simulated_loop import SimulatedLoop, simulate
from tokenwire.server.grpc_server import OUTSTANDING
from tokenwire.server.write_pacer import WritePacer

TURNS_BETWEEN_CALLS: Final = 3
"""The iterations of the event loop from one accepted call to the next of the same task: gRPC's
event, the task that has waited for it and asks for the next call, and gRPC's answer."""
TURNS_OF_A_CALL: Final = 10
"""The iterations over which the work of a call is spread: its request, its upstream connection, the
request to the upstream and the head of the response wait for the kernel."""
IN_TIME_SECONDS: Final = 1.0
"""By how much a token may be late and still be in time, as in the benchmark."""


@dataclass(frozen=True)
class SimulatedCall:
    """A call whose upstream sends token i at i / rate seconds after it has the request.

    Attributes:
        begin: When the caller begins the call, in seconds.
        tokens: The number of tokens of the answer.
        rate: Tokens per second.
    """

    begin: float
    tokens: int
    rate: float


@dataclass
class SimulatedAnswer:
    """What a caller has received.

    Attributes:
        call: The call.
        arrivals: When each token arrived, in seconds.
        messages: The times of the Answers that brought them.
    """

    call: SimulatedCall
    arrivals: list[float] = field(default_factory=list)
    messages: list[float] = field(default_factory=list)

    @property
    def first_token(self) -> float | None:
        """The seconds until the first token; None if there was none."""
        return self.arrivals[0] - self.call.begin if self.arrivals else None

    def due(self, token: int) -> float:
        """Return when a token is due, in seconds."""
        return self.call.begin + token / self.call.rate


@dataclass(frozen=True)
class Simulated:
    """The outcome of a simulation.

    Attributes:
        answers: What each caller has received, in the order of the calls.
        busy: The seconds for which the event loop worked within the time that counts.
        seconds: The length of that time.
    """

    answers: list[SimulatedAnswer]
    busy: float
    seconds: float

    @property
    def utilisation(self) -> float:
        """The share of one core that was used."""
        return self.busy / self.seconds


class _Server:
    """The server: accepts `OUTSTANDING` calls at a time, and writes as the real write pacer allows.

    Args:
        loop: The event loop.
        costs: What the work costs.
    """

    def __init__(self, loop: SimulatedLoop, costs: Costs) -> None:
        self._loop, self._costs = loop, costs
        self._pacer = WritePacer()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._accepting: set[asyncio.Task[None]] = set()
        self._idle_seen = loop.idle

    async def relay(self, answer: SimulatedAnswer) -> None:
        """Serve one call from its arrival to its last token."""
        loop, costs, call = self._loop, self._costs, answer.call
        await _until(loop, call.begin)
        await self._accept()
        for _ in range(TURNS_OF_A_CALL):
            loop.spend(costs.call / TURNS_OF_A_CALL)
            await asyncio.sleep(0)
        asked = loop.time()
        turn = self._pacer.turn()
        while (sent := len(answer.arrivals)) < call.tokens:
            await _until(loop, asked + sent / call.rate)
            if turn.must_wait():
                await turn.wait()
            # All tokens that wait leave in one Answer.
            available = 1 + math.floor((loop.time() - asked) * call.rate + 1e-9)
            ready = min(call.tokens, available) - sent
            loop.spend(ready * costs.token + self._wake_cost())
            turn.taken = False
            loop.spend(costs.answer)
            answer.messages.append(loop.time())
            answer.arrivals.extend([loop.time()] * ready)
            # gRPC confirms the write in a later iteration.
            await asyncio.sleep(0)

    async def _accept(self) -> None:
        """Wait until gRPC has handed over all calls that came before."""
        accepted = self._loop.create_future()
        self._waiting.append(accepted)
        if len(self._accepting) < OUTSTANDING:
            accepting = self._loop.create_task(self._accept_waiting())
            self._accepting.add(accepting)
            accepting.add_done_callback(self._accepting.discard)
        await accepted

    async def _accept_waiting(self) -> None:
        while self._waiting:
            accepted = self._waiting.popleft()
            if accepted.done():
                continue  # The simulation has ended.
            accepted.set_result(None)
            for _ in range(TURNS_BETWEEN_CALLS):
                await asyncio.sleep(0)

    def _wake_cost(self) -> float:
        woken = self._loop.idle > self._idle_seen
        self._idle_seen = self._loop.idle
        return self._costs.wake if woken else 0.0


def run(
    costs: Costs,
    calls: Iterable[SimulatedCall],
    begin: float = 0.0,
    end: float = math.inf,
    more: float = 0.0,
) -> Simulated:
    """Simulate calls.

    Args:
        costs: What the work costs.
        calls: The calls.
        begin: From when the work of the event loop counts, in seconds.
        end: Until when, in seconds; `math.inf` for the end of the last answer.
        more: For how long callers still receive tokens after that, in seconds.

    Returns:
        What the callers have received.
    """
    loop = SimulatedLoop()
    answers = [SimulatedAnswer(call) for call in calls]

    async def main() -> Simulated:
        server = _Server(loop, costs)
        tasks = [loop.create_task(server.relay(answer)) for answer in answers]
        everything = asyncio.gather(*tasks)
        await _until(loop, begin)
        before = loop.busy
        if math.isinf(end):
            await everything
        else:
            await _until(loop, end)
        result = Simulated(answers, loop.busy - before, loop.time() - begin)
        if not everything.done():
            await _until(loop, loop.time() + more)
            everything.cancel()
        await asyncio.gather(everything, return_exceptions=True)
        return result

    return simulate(main(), loop)


async def _until(loop: SimulatedLoop, time: float) -> None:
    if time > loop.time():
        due = loop.create_future()
        loop.call_at(time, _end_wait, due)
        await due


def _end_wait(due: asyncio.Future[None]) -> None:
    # The simulation may have ended before.
    if not due.done():
        due.set_result(None)
