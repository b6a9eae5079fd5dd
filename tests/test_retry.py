"""The retry budget and the failures that it is spent on."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from support.app import MODEL
from support.call_records import new_call
from tokenwire import config
from tokenwire.core import errors
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import ChatRequest, Delta
from tokenwire.routing.budget import MAX_BALANCE, RETRY_COST, RetryBudget
from tokenwire.routing.retry import RetryingModel
from tokenwire.upstreams.build import build_model
from tokenwire_demo import DemoUpstream

REQUEST = ChatRequest("hello", MODEL)


@pytest.fixture
async def model(upstream: DemoUpstream) -> AsyncIterator[ChatModel]:
    settings = config.load(base_url=upstream.base_url, model=MODEL)
    built = RetryingModel(build_model(settings), settings.first_token_timeout_seconds)
    yield built
    await built.aclose()


async def ask(model: ChatModel, seconds: float = math.inf) -> str:
    """Return the text of an answer whose first token may take this many seconds."""
    async with aclosing(model.stream(REQUEST, new_call(seconds))) as answer:
        return "".join([event.text async for event in answer if isinstance(event, Delta)])


async def save_up(model: ChatModel, calls: int) -> None:
    for _ in range(calls):
        await ask(model)


def test_a_budget_starts_empty() -> None:
    """The first calls of a process that starts during an outage are not retried."""
    budget = RetryBudget()
    for _ in range(RETRY_COST - 1):
        budget.deposit()
        assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()
    assert not budget.withdraw()


@pytest.mark.parametrize("calls", [9, 10, 99, 1_000, 1_234])
def test_a_budget_never_pays_for_more_than_a_tenth(calls: int) -> None:
    """A budget allows one retry per ten calls, however often it is asked."""
    budget = RetryBudget()
    repetitions = 0
    for _ in range(calls):
        budget.deposit()
        while budget.withdraw():
            repetitions += 1
    assert repetitions == calls // 10


def test_a_budget_does_not_save_for_ever() -> None:
    """A budget is capped: a long time without failures allows a burst of ten retries."""
    budget = RetryBudget()
    for _ in range(1_000_000):
        budget.deposit()
    repetitions = 0
    while budget.withdraw():
        repetitions += 1
    assert repetitions == MAX_BALANCE // RETRY_COST == 10


async def test_a_repetition_needs_a_full_budget(model: ChatModel, upstream: DemoUpstream) -> None:
    """The tenth call is the first that can be retried, and the eleventh is not retried."""
    await save_up(model, RETRY_COST - 2)
    for is_repeated in (False, True, False):
        upstream.script("status 500", *["answer"] * is_repeated)
        before = upstream.requests_seen
        if is_repeated:
            assert await ask(model)
        else:
            with pytest.raises(errors.UpstreamError):
                await ask(model)
        assert upstream.requests_seen - before == 1 + is_repeated


async def test_nothing_is_repeated_once_a_token_came(
    model: ChatModel, upstream: DemoUpstream
) -> None:
    """A failure after the first token is not retried, so that no token is paid for twice."""
    await save_up(model, RETRY_COST)
    upstream.script("tokens 1; error; done")
    with pytest.raises(errors.UpstreamError):
        await ask(model)
    assert upstream.requests_seen == RETRY_COST + 1


async def test_a_failure_keeps_the_budget_where_it_cannot_be_repeated(
    model: ChatModel, upstream: DemoUpstream
) -> None:
    """A failure that is not retryable, or leaves no time for a retry, does not spend the budget."""
    await save_up(model, RETRY_COST)
    upstream.script(
        "status 401", "status 429 retry-after=2", "status 503 retry-after=3", "status 500", "answer"
    )
    with pytest.raises(errors.UpstreamAuthRejected):
        await ask(model)
    with pytest.raises(errors.UpstreamRateLimited):
        await ask(model, seconds=1.5)
    with pytest.raises(errors.UpstreamError):
        await ask(model)
    assert await ask(model)
    assert upstream.requests_seen == RETRY_COST + 5


async def test_no_repetition_begins_at_the_deadline(
    model: ChatModel, upstream: DemoUpstream
) -> None:
    """If no time is left, the failure is raised without a retry."""
    await save_up(model, RETRY_COST)
    upstream.script("status 500")
    with pytest.raises(errors.UpstreamError):
        await ask(model, seconds=0)
    assert upstream.requests_seen == RETRY_COST + 1


async def test_the_second_failure_is_the_one_that_is_told(
    model: ChatModel, upstream: DemoUpstream
) -> None:
    """If the retry fails too, its failure is raised, and there is no second retry."""
    await save_up(model, 2 * RETRY_COST)
    upstream.script("status 500", "status 409")
    with pytest.raises(errors.UpstreamConflict):
        await ask(model)
    assert upstream.requests_seen == 2 * RETRY_COST + 2


async def test_a_caller_who_leaves_during_the_wait_is_not_repeated(
    model: ChatModel, upstream: DemoUpstream
) -> None:
    """A call whose caller leaves during the retry delay is not retried."""
    await save_up(model, RETRY_COST)
    upstream.script("status 429 retry-after=2")
    call = asyncio.create_task(ask(model))
    await upstream.wait_for_requests(RETRY_COST + 1)
    await upstream.wait_until_idle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert upstream.requests_seen == RETRY_COST + 1
