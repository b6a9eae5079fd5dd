"""The last Answer: where the answer came from, and what it cost."""

import grpc
import pytest

from support.app import MODEL
from support.quirks import STOP, Got, player, response, text, usage
from support.raw_upstream import Reset
from tokenwire.v1 import chatgpt_pb2 as pb

PRICES = f"{MODEL}=1.25:10:0.125"
COUNTS = {
    "prompt_tokens": 1_000,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 200},
}
COST = 800 * 1_250 + 200 * 125 + 7 * 10_000


async def test_the_last_answer_has_the_route() -> None:
    """It names the upstream and the number of requests, in `Send` and in `Ask`."""
    async with player() as upstream:
        await upstream.play(response(text("x"), STOP))
        assert upstream.answers[-1].route == pb.Route(upstream="default", attempts=1)
        assert not any(answer.HasField("route") for answer in upstream.answers[:-1])
        assert (await upstream.stub.Ask(pb.Message(content="hello"))).route.attempts == 1


@pytest.mark.parametrize("method", ["Send", "Ask"])
async def test_the_usage_has_the_cost(method: str) -> None:
    """The cost is exact, in billionths of a dollar: cached tokens have their own price."""
    async with player(prices=PRICES) as upstream:
        pieces = response(text("x"), usage(**COUNTS), STOP)
        if method == "Send":
            await upstream.play(pieces)
            last = upstream.answers[-1]
        else:
            upstream.upstream.pieces = pieces
            last = await upstream.stub.Ask(pb.Message(content="hello"))
        assert last.usage.cost_nanodollars == COST
        assert not last.usage.estimated


async def test_a_model_without_a_price_has_no_cost() -> None:
    """Without a price in the settings, the cost is 0."""
    async with player() as upstream:
        await upstream.play(response(text("x"), usage(**COUNTS), STOP))
        assert upstream.answers[-1].usage.cost_nanodollars == 0


async def test_a_broken_answer_has_the_estimated_usage() -> None:
    """The last Answer of a failed call has the tokens of what was sent, as an estimate."""
    async with player(prices=PRICES) as upstream:
        got = await upstream.play(response(text("a"), text("b"), Reset()))
        assert (got.text, got.code) == ("ab", grpc.StatusCode.ABORTED)
        found = upstream.answers[-1].usage
        assert found.estimated
        # "hello": 2 tokens, 3 of the message and 3 of the beginning of the answer.
        assert (found.input_tokens, found.output_tokens) == (8, 2)
        assert found.cost_nanodollars == 8 * 1_250 + 2 * 10_000


async def test_a_broken_answer_has_the_reported_usage() -> None:
    """Where the upstream has reported the usage of what was sent, that counts."""
    async with player(prices=PRICES) as upstream:
        got = await upstream.play(response(text("a"), usage(**COUNTS), Reset()))
        assert got == Got("a", "UPSTREAM_STREAM_BROKEN", grpc.StatusCode.ABORTED)
        found = upstream.answers[-1].usage
        assert not found.estimated
        assert (found.input_tokens, found.output_tokens) == (1_000, 7)
        assert found.cost_nanodollars == COST


async def test_reported_usage_that_is_behind() -> None:
    """Usage with fewer output tokens than were sent keeps its input and is an estimate."""
    async with player() as upstream:
        pieces = response(usage(prompt_tokens=5, completion_tokens=1), text("a"), text("b"))
        await upstream.play(pieces)
        found = upstream.answers[-1].usage
        assert (found.input_tokens, found.output_tokens, found.estimated) == (5, 2, True)
