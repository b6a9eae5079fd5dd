"""The router: each call is asked of few routes, of one once it has begun, and within the budget."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.call_records import new_call
from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest, Completion, Delta, FinishReason
from tokenwire.routing.breaker import BreakerState
from tokenwire.routing.budget import MAX_BALANCE, RETRY_COST
from tokenwire.routing.gateway import Gateway, GatewayVersions, RoutedModel
from tokenwire.routing.routed import Router
from tokenwire.routing.routes import KeyClient, Route, RouteChanges, RoutedUpstream
from tokenwire.routing.tiers import Tier, Weighted
from tokenwire.upstreams import Models
from tokenwire.upstreams.progress_timer import Timeouts

FAILURES: dict[str, type[errors.ServiceError]] = {
    "timeout": errors.UpstreamTimeout,
    "broken": errors.UpstreamStreamBroken,
    "key": errors.UpstreamAuthRejected,
    "caller": errors.PromptTooLong,
}
END = Completion(FinishReason.STOP, None, "", "")


@dataclass
class Script:
    """What the upstreams do, in the order of the requests, and what they were asked.

    Attributes:
        steps: For each request: `ok`, `late` for a failure after the first token, or one of
            FAILURES. Then all succeed.
        asked: The upstreams in the order of the requests.
    """

    steps: list[str]
    asked: list[str] = field(default_factory=list)


class FakeModel:
    """An upstream that answers by a function.

    Attributes:
        answer: Answers the requests.
    """

    def __init__(self, answer: Callable[[CallRecord], AnswerStream]) -> None:
        self.answer = answer

    def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        """Answer."""
        del request
        return self.answer(call)

    async def aclose(self) -> None:
        """Do nothing."""


async def hang(begun: asyncio.Event) -> AnswerStream:
    """Answer nothing, ever."""
    begun.set()
    await asyncio.Event().wait()
    yield END


async def fail(kind: type[errors.ServiceError]) -> AnswerStream:
    """Fail after other calls have begun."""
    await asyncio.sleep(0)
    if kind:
        raise kind
    yield END


class ScriptedModel:
    """An upstream that does the next step of the script."""

    def __init__(self, name: str, script: Script) -> None:
        self._name = name
        self._script = script

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        del request
        index = len(self._script.asked)
        self._script.asked.append(self._name)
        step = self._script.steps[index] if index < len(self._script.steps) else "ok"
        if step in FAILURES:
            raise FAILURES[step]
        call.attempts.received = True
        yield Delta("x")
        if step == "late":
            raise errors.UpstreamStreamBroken
        yield END

    async def aclose(self) -> None:
        """Do nothing."""


class InstantChanges(RouteChanges):
    """Moves the clock of the bench on instead of waiting."""

    def __init__(self, bench: "Bench") -> None:
        super().__init__()
        self._bench = bench

    async def wait(self, until: float) -> None:
        """Move the clock on."""
        self._bench.now += max(until - asyncio.get_running_loop().time(), 0.001)


@dataclass
class Bench:
    """A router with routes to scripted upstreams, and a clock of its own for the breakers."""

    script: Script
    size: int = 3
    now: float = 1_000.0

    def __post_init__(self) -> None:
        changes = InstantChanges(self)
        self.upstreams = [
            RoutedUpstream(
                name,
                [KeyClient(Models(ScriptedModel(name, self.script)))],
                Timeouts(60, 60),
                changes,
            )
            for name in "abcdef"[: self.size]
        ]
        self.routes = [Route(each, "m", lambda: self.now) for each in self.upstreams]
        tiers = [Tier([Weighted(route)], lambda _: 0) for route in self.routes]
        model = RoutedModel("m", tiers, self.routes, changes)
        upstreams = {each.name: each for each in self.upstreams}
        gateway = Gateway({"m": model}, upstreams, {}, changes)
        self.router = Router(GatewayVersions(gateway))

    async def ask(self) -> str:
        """Make a call; return its text, or the reason of its failure."""
        call = new_call()
        text = ""
        try:
            async for event in self.router.stream(ChatRequest("hello", "m"), call):
                text += event.text if isinstance(event, Delta) else "."
        except errors.ServiceError as error:
            return f"{text} {error.reason}"
        return text


STEPS = st.sampled_from(["ok", "late", *FAILURES])


@given(st.lists(STEPS, max_size=150), st.integers(1, 4))
async def test_the_budget_holds_under_any_failures(steps: list[str], size: int) -> None:
    """Further requests are a tenth of the calls, what the budget held, and one for each opening."""
    bench = Bench(Script(steps), size)
    calls = 0
    while len(bench.script.asked) < len(steps):
        calls += 1
        await bench.ask()
        bench.now += 0.5
    extra = len(bench.script.asked) - calls
    openings = sum(key.breaker.openings for route in bench.routes for key in route.keys)
    assert extra <= calls / RETRY_COST + MAX_BALANCE / RETRY_COST + openings
    assert all(each.in_flight == 0 for each in bench.upstreams)


@given(st.lists(STEPS, min_size=1, max_size=60))
async def test_a_call_asks_each_upstream_once_and_none_after_its_first_token(
    steps: list[str],
) -> None:
    """No call asks an upstream twice, and none asks another once its answer has begun."""
    bench = Bench(Script(steps))
    while len(bench.script.asked) < len(steps):
        before = len(bench.script.asked)
        result = await bench.ask()
        asked = bench.script.asked[before:]
        assert max(Counter(asked).values(), default=0) <= 1
        done = [*steps, *["ok"] * len(asked)][before : before + len(asked)]
        # Whatever begins an answer, or is the caller's fault, is the last request.
        assert not {"ok", "late", "caller"} & set(done[:-1])
        if done and done[-1] == "ok":
            assert result == "x."
        bench.now += 1


@pytest.mark.parametrize("step", ["timeout", "broken", "key"])
async def test_a_hundred_failures_at_once_are_all_answered(step: str) -> None:
    """While one of two upstreams fails every request, no call is lost, even at the same time."""
    bench = Bench(Script([]), 2)
    bench.upstreams[0].clients[0].models = Models(FakeModel(lambda _: fail(FAILURES[step])))
    results = await asyncio.gather(*(bench.ask() for _ in range(100)))
    assert results == ["x."] * 100
    assert bench.routes[0].keys[0].breaker.state is BreakerState.OPEN
    assert bench.script.asked == ["b"] * 100


async def test_a_caller_who_leaves_says_nothing_of_the_upstream() -> None:
    """A call that is cancelled is no failure, and its place is free at once."""
    bench = Bench(Script([]), 1)
    begun = asyncio.Event()

    bench.upstreams[0].clients[0].models = Models(FakeModel(lambda _: hang(begun)))
    for _ in range(10):
        begun.clear()
        call = asyncio.create_task(bench.ask())
        await begun.wait()
        assert bench.upstreams[0].in_flight == 1
        call.cancel()
        await asyncio.wait([call])
        assert bench.upstreams[0].in_flight == 0
    assert bench.routes[0].keys[0].breaker.state is BreakerState.CLOSED
