"""The limits of callers, counted by one process: what has room is answered, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, failure_of, next_of, pushback_of, reason_of, retry_delay_of
from support.limits import OTHER_KEY, bearer, callers, limit_of, used_by_team
from support.unary import error_of
from tokenwire.v1 import chatgpt_pb2 as pb

MODELS: dict[str, Any] = {
    "smart": {"routes": "one/b", "price": {"input": 1000, "output": 2000}},
    "vectors": {"routes": "one/c", "price": {"input": 1000, "output": 0}},
}
UPSTREAMS: dict[str, dict[str, Any]] = {"one": {}}
TEN = "tokens 10; finish; usage 20 10; done"
"""An answer that uses 30 tokens; it reserves 256 and the estimate of the prompt."""


@asynccontextmanager
async def limited(folder: Path, **limits: Any) -> AsyncIterator[GatewayWorld]:
    """Start a server whose caller `team` has limits."""
    async with gateway_world(folder, MODELS, UPSTREAMS, callers=callers(**limits)) as world:
        yield world


async def send(world: GatewayWorld, plan: str, message: pb.Message = HELLO) -> list[pb.Answer]:
    """Return the answers of a call of `team`."""
    world.upstreams["one"].script(plan)
    return await collect(world.stub.Send(message, metadata=bearer()))


async def refused(world: GatewayWorld, message: pb.Message = HELLO) -> grpc.aio.AioRpcError:
    """Return the error of a call that is refused without a request to an upstream."""
    before = world.seen()
    answers, error = await failure_of(world.stub.Send(message, metadata=bearer()))
    assert not answers
    assert world.seen() == before
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return error


async def test_row_61_requests(tmp_path: Path) -> None:
    """Of three calls two are answered; the third learns the limit's name and when to come again."""
    async with limited(tmp_path, requests="2/m") as world:
        for _ in range(2):
            await send(world, TEN)
        error = await refused(world)
        assert reason_of(error) == "CALLER_RATE_LIMITED"
        assert limit_of(error) == "requests/m"
        delay = retry_delay_of(error)
        assert delay is not None
        assert 50 < delay <= 61
        assert pushback_of(error) == str(round(delay * 1000))


async def test_a_refused_call_uses_nothing(tmp_path: Path) -> None:
    """Calls that are refused by one limit do not count against the others."""
    async with limited(tmp_path, requests="9/h", tokens="280/m") as world:
        await send(world, TEN)
        for _ in range(3):
            assert limit_of(await refused(world)) == "tokens/m"
        assert used_by_team(world) == {"requests/h": 1, "tokens/m": 30}


async def test_row_61_tokens(tmp_path: Path) -> None:
    """Tokens of the prompt and the answer count, as the upstream reports them."""
    async with limited(tmp_path, tokens="1000/d") as world:
        await send(world, "tokens 10; finish; usage 400 500; done")
        assert used_by_team(world) == {"tokens/d": 900}
        error = await refused(world)
        assert reason_of(error) == "CALLER_RATE_LIMITED"
        assert limit_of(error) == "tokens/d"


async def test_without_usage_the_arrived_tokens_count(tmp_path: Path) -> None:
    """If the upstream reports no usage, the prompt is estimated and each event with text counts."""
    async with limited(tmp_path, tokens="1000/d") as world:
        await send(world, "tokens 10; finish; done")
        estimate = used_by_team(world)["tokens/d"] - 10
        counted = await world.stub.CountTokens(HELLO, metadata=bearer())
        assert estimate == counted.input_tokens


async def test_a_short_answer_reserves_no_whole_slice(tmp_path: Path) -> None:
    """A call whose answer is limited reserves only that much."""
    async with limited(tmp_path, tokens="100/m") as world:
        await refused(world)
        message = pb.Message(content="hello", params=pb.Params(max_tokens=20))
        assert await send(world, TEN, message)


async def test_a_call_that_can_never_fit_is_told_so(tmp_path: Path) -> None:
    """A call that needs more than the whole limit gets no time after which to come again."""
    async with limited(tmp_path, tokens="100/m") as world:
        error = await refused(world)
        assert retry_delay_of(error) is None
        assert pushback_of(error) == "-1"


async def test_row_63_at_the_start(tmp_path: Path) -> None:
    """A budget that is used up refuses the next call, and forbids a retry."""
    # 20 tokens at 1,000 and 10 at 2,000 dollars per million are 4 cents.
    async with limited(tmp_path, dollars="0.55/month") as world:
        await send(world, TEN)
        assert used_by_team(world) == {"dollars/month": 40_000_000}
        error = await refused(world)
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"
        assert limit_of(error) == "dollars/month"
        assert pushback_of(error) == "-1"


@pytest.mark.parametrize(
    "limits", [{"tokens": "1000/d"}, {"dollars": "2/d"}], ids=["tokens", "dollars"]
)
async def test_row_63_while_streaming(tmp_path: Path, limits: dict[str, str]) -> None:
    """An answer that uses up a limit is cut within one slice, and what came is paid."""
    async with limited(tmp_path, **limits) as world:
        upstream = world.upstreams["one"]
        upstream.script('filler 100000 "word "; finish; usage 20 100000; done')
        answers, error = await failure_of(world.stub.Send(HELLO, metadata=bearer()))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"
        assert pushback_of(error) == "-1"
        await upstream.wait_until_idle()
        [(_, amount)] = used_by_team(world).items()
        delivered = sum(len(answer.content.split()) for answer in answers)
        assert answers[-1].error == "CALLER_BUDGET_EXHAUSTED"
        tokens = 1000 if "tokens" in limits else 2 * 10**9 / 2_000_000
        assert tokens - 256 - 20 <= delivered <= tokens
        assert delivered * (1 if "tokens" in limits else 2_000_000) <= amount


async def test_a_silent_answer_is_cut_too(tmp_path: Path) -> None:
    """A call whose renewal is refused ends at once, even while its upstream says nothing."""
    async with limited(tmp_path, tokens="300/d") as world:
        upstream = world.upstreams["one"]
        upstream.script('filler 140 "word "; stall')
        _, error = await failure_of(world.stub.Send(HELLO, metadata=bearer()))
        assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"
        await upstream.wait_until_idle()


async def test_row_62_streams(tmp_path: Path) -> None:
    """A caller may have as many calls at once as its limit says; each end makes room."""
    async with limited(tmp_path, streams=2) as world:
        upstream = world.upstreams["one"]
        upstream.script(*["barrier both; answer"] * 2)
        running = [
            asyncio.create_task(collect(world.stub.Send(HELLO, metadata=bearer())))
            for _ in range(2)
        ]
        await upstream.barrier("both").reached(2)
        error = await refused(world)
        assert reason_of(error) == "CALLER_TOO_MANY_STREAMS"
        assert limit_of(error) == "streams"
        assert retry_delay_of(error) == 1.0
        assert await collect(world.stub.Send(HELLO, metadata=bearer(OTHER_KEY)))
        upstream.barrier("both").release()
        await asyncio.gather(*running)
        assert await send(world, TEN)
        assert used_by_team(world) == {"streams": 0}


async def test_a_caller_who_leaves_pays_what_came(tmp_path: Path) -> None:
    """After a cancelled call its prompt and the tokens that came count, and nothing is held."""
    async with limited(tmp_path, tokens="1000/d") as world:
        upstream = world.upstreams["one"]
        upstream.script("tokens 5; barrier five; stall")
        call = world.stub.Send(HELLO, metadata=bearer())
        text = ""
        while len(text.split()) < 5:
            text += (await next_of(call)).content
        call.cancel()
        await upstream.wait_until_idle()
        counted = await world.stub.CountTokens(HELLO, metadata=bearer())
        assert used_by_team(world) == {"tokens/d": counted.input_tokens + 5}


async def test_a_failed_request_costs_no_tokens(tmp_path: Path) -> None:
    """A call whose upstream answers nothing counts as a request only."""
    async with limited(tmp_path, tokens="1000/d", requests="5/d") as world:
        world.upstreams["one"].script("status 400")
        await failure_of(world.stub.Send(HELLO, metadata=bearer()))
        assert used_by_team(world) == {"requests/d": 1, "tokens/d": 0}


async def test_every_method_counts(tmp_path: Path) -> None:
    """Ask, Embed and CountTokens count against the same limits."""
    async with limited(tmp_path, requests="3/d", tokens="1000/d") as world:
        world.upstreams["one"].script(TEN)
        await world.stub.Ask(HELLO, metadata=bearer())
        request = pb.EmbedRequest(model="vectors", texts=["one two three"])
        response = await world.stub.Embed(request, metadata=bearer())
        await world.stub.CountTokens(HELLO, metadata=bearer())
        tokens = 30 + response.usage.input_tokens
        assert used_by_team(world) == {"requests/d": 3, "tokens/d": tokens}
        for refusal in (
            world.stub.Ask(HELLO, metadata=bearer()),
            world.stub.Embed(request, metadata=bearer()),
            world.stub.CountTokens(HELLO, metadata=bearer()),
        ):
            error = await error_of(refusal)
            assert reason_of(error) == "CALLER_RATE_LIMITED"
            assert limit_of(error) == "requests/d"


async def test_limits_are_reloaded_with_the_file(tmp_path: Path) -> None:
    """A limit that is raised holds for the next call, and what was used still counts."""
    async with limited(tmp_path, requests="1/d") as world:
        await send(world, TEN)
        await refused(world)
        world.write(MODELS, UPSTREAMS, callers(requests="2/d"))
        await world.reloaded()
        await send(world, TEN)
        await refused(world)
        assert used_by_team(world) == {"requests/d": 2}
