"""Routes: calls are answered by another route while one fails, and none is answered twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import (
    collect,
    failure_of,
    reason_of,
    retry_delay_of,
    text_of,
    violated_fields_of,
)
from support.unary import ending_of, error_of
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

TIERS = {"fast": {"routes": ["one/first", "two/second", "three/third"], "aliases": ["quick"]}}
THREE: dict[str, dict[str, object]] = {"one": {}, "two": {}, "three": {}}
WHOLE = "This is tokenwire's built-in demo model"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """Start a server with three routes, tried in this order."""
    async with gateway_world(tmp_path, TIERS, THREE) as running:
        yield running


async def test_the_first_route_answers(world: GatewayWorld) -> None:
    """It receives its own name of the model; the last Answer names it; no other is asked."""
    *_, last = await collect(world.stub.Send(HELLO))
    assert last.route == pb.Route(upstream="one", attempts=1)
    assert world.seen() == {"one": 1, "two": 0, "three": 0}
    assert world.upstreams["one"].requests[0].body["model"] == "first"


async def test_an_alias_is_the_model(world: GatewayWorld) -> None:
    """A request may name the model or an alias, and nothing else, which asks no upstream."""
    for name in ("fast", "quick"):
        answer = await world.stub.Ask(pb.Message(content="hello", params=pb.Params(model=name)))
        assert answer.route.upstream == "one"
    message = pb.Message(content="hello", params=pb.Params(model="first"))
    assert await ending_of(world.stub.Ask(message)) == ("INVALID_ARGUMENT", "UNKNOWN_MODEL")
    assert world.seen()["one"] == 2
    listed = await world.stub.ListModels(pb.ListModelsRequest())
    assert [model.name for model in listed.models] == ["fast", "quick"]
    assert (listed.default_model, listed.any_model) == ("fast", False)


FAILURES = [
    *("status 500", "status 503", "status 408", "status 504", "status 429", "status 409"),
    *("status 429 retry-after=30", "status 429 code=insufficient_quota", "status 402"),
    *("status 401", "status 403", "status 404", "status 502 body=html", "reset", "eof"),
    *("error canary", "garbage"),
]


@pytest.mark.parametrize("plan", FAILURES)
async def test_a_failure_before_the_answer_moves_on(world: GatewayWorld, plan: str) -> None:
    """The next route answers, once, and the caller sees nothing of the failure."""
    world.upstreams["one"].script(plan)
    answers = await collect(world.stub.Send(HELLO))
    assert text_of(answers).startswith(WHOLE)
    assert answers[-1].route == pb.Route(upstream="two", attempts=2)
    assert world.seen() == {"one": 1, "two": 1, "three": 0}


CAUSED = {
    "status 400 code=context_length_exceeded": "PROMPT_TOO_LONG",
    "status 413": "PROMPT_TOO_LONG",
    "status 422": "UPSTREAM_REJECTED_REQUEST",
    "finish content_filter; done": "CONTENT_FILTERED",
}


@pytest.mark.parametrize("plan", CAUSED)
async def test_what_the_caller_caused_does_not_move_on(world: GatewayWorld, plan: str) -> None:
    """A request that would fail everywhere is asked once."""
    world.upstreams["one"].script(plan)
    _, error = await failure_of(world.stub.Send(HELLO))
    assert reason_of(error) == CAUSED[plan]
    assert world.seen() == {"one": 1, "two": 0, "three": 0}


async def test_an_answer_that_has_begun_does_not_move_on(world: GatewayWorld) -> None:
    """A stream that breaks after its first token is ABORTED, and no other route is asked."""
    for plan in ("tokens 1; reset", 'reasoning "hm"; reset'):
        world.upstreams["one"].script(plan)
        _, error = await failure_of(world.stub.Send(HELLO))
        assert error.code() is grpc.StatusCode.ABORTED
    assert world.seen() == {"one": 2, "two": 0, "three": 0}


async def test_a_silent_route_leaves_time_for_another(world: GatewayWorld) -> None:
    """A route that says nothing gets half of the caller's time, and the next one the rest."""
    world.upstreams["one"].script("stall")
    answers = await collect(world.stub.Send(HELLO, timeout=4))
    assert answers[-1].route.upstream == "two"
    await world.upstreams["one"].wait_until_disconnected()


async def test_a_breaker_opens_and_the_route_is_passed_over(world: GatewayWorld) -> None:
    """After five failures in a row, calls go to the next route at once; none is lost."""
    world.upstreams["one"].script(*["status 500"] * 5)
    for _ in range(8):
        assert (await world.stub.Ask(HELLO)).route.upstream == "two"
    assert world.seen() == {"one": 5, "two": 8, "three": 0}


async def test_all_routes_are_open(world: GatewayWorld) -> None:
    """A call that no route takes in time says when one may be asked again."""
    for upstream in world.upstreams.values():
        upstream.script("status 429 retry-after=30")
    await error_of(world.stub.Ask(HELLO))
    seen = world.seen()
    error = await error_of(world.stub.Ask(HELLO, timeout=2))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_ERROR")
    delay = retry_delay_of(error)
    assert delay
    assert 25 <= delay <= 36
    assert world.seen() == seen == {"one": 1, "two": 1, "three": 1}


@pytest.mark.parametrize("plan", ["status 500", "stall", "status 429 retry-after=20", "eof"])
async def test_no_call_is_lost_while_one_upstream_fails(world: GatewayWorld, plan: str) -> None:
    """100 calls at once are all answered, each by one route, while the first one fails."""
    world.upstreams["one"].script(*[plan] * 100)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(_ask(world)) for _ in range(100)]
    answers = [call.result() for call in calls]
    assert all(answer.content.startswith(WHOLE) for answer in answers)
    answered = [answer.route.upstream for answer in answers]
    assert "one" not in answered
    seen = world.seen()
    assert seen["two"] + seen["three"] == 100


async def _ask(world: GatewayWorld) -> pb.Answer:
    return await world.stub.Ask(HELLO, timeout=8)


async def test_weights(tmp_path: Path) -> None:
    """The routes of a tier share the calls by their weights."""
    tier = [{"to": "one/a", "weight": 3}, {"to": "two/b", "weight": 1}]
    async with gateway_world(tmp_path, {"m": {"routes": [tier]}}, THREE) as world:
        for _ in range(20):
            await world.stub.Ask(HELLO)
        assert world.seen() == {"one": 15, "two": 5, "three": 0}


async def test_a_full_upstream_is_passed_over(tmp_path: Path) -> None:
    """An upstream with as many answers as it may have gets no further one."""
    upstreams = {"one": {"max_streams": 1}, "two": {}}
    models = {"m": {"routes": ["one/a", "two/b"]}}
    async with gateway_world(tmp_path, models, upstreams) as world:
        one = world.upstreams["one"]
        one.script("barrier full; answer")
        first = asyncio.ensure_future(_ask(world))
        await one.barrier("full").reached()
        assert (await _ask(world)).route.upstream == "two"
        one.barrier("full").release()
        assert (await first).route.upstream == "one"
        assert (await _ask(world)).route.upstream == "one"


async def test_a_call_waits_for_a_full_upstream(tmp_path: Path) -> None:
    """If every upstream is full, a call waits until an answer has ended."""
    models = {"m": {"routes": "one/a"}}
    async with gateway_world(tmp_path, models, {"one": {"max_streams": 1}}) as world:
        one = world.upstreams["one"]
        one.script("barrier full; answer")
        first = asyncio.ensure_future(_ask(world))
        await one.barrier("full").reached()
        second = asyncio.ensure_future(_ask(world))
        await world.stub.ListModels(pb.ListModelsRequest())
        assert one.requests_seen == 1
        one.barrier("full").release()
        assert (await first).content == (await second).content


async def test_keys_share_the_load_and_rest_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls take turns with the keys; a key that is rejected is not used again for a while."""
    monkeypatch.setenv("KEY_A", "key-a")
    monkeypatch.setenv("KEY_B", "key-b")
    upstreams = {"one": {"keys": ["env:KEY_A", "env:KEY_B"]}}
    async with gateway_world(tmp_path, {"m": {"routes": "one/a"}}, upstreams) as world:
        one = world.upstreams["one"]
        for _ in range(4):
            await _ask(world)
        assert _keys(one) == ["key-a", "key-b"] * 2
        one.script("status 401")
        for _ in range(3):
            await _ask(world)
        assert _keys(one)[4:] == ["key-a", "key-b", "key-b", "key-b"]


def _keys(upstream: DemoUpstream) -> list[str]:
    return [each.headers["authorization"].removeprefix("Bearer ") for each in upstream.requests]


async def test_headers_and_timeouts_of_an_upstream(tmp_path: Path) -> None:
    """An upstream gets the headers of the file, and its own timeouts apply."""
    upstreams = {"one": {"headers": {"x-team": "ml"}, "first_token_timeout": "200ms"}}
    async with gateway_world(tmp_path, {"m": {"routes": "one/a"}}, upstreams) as world:
        await _ask(world)
        one = world.upstreams["one"]
        assert one.requests[0].headers["x-team"] == "ml"
        one.script("stall")
        assert await ending_of(world.stub.Ask(HELLO)) == ("UNAVAILABLE", "UPSTREAM_TIMEOUT")


async def test_embeddings_and_counts_take_the_routes_too(tmp_path: Path) -> None:
    """Unary methods move on like streams."""
    upstreams = {"one": {"tokenizer": "vllm"}, "two": {"tokenizer": "vllm"}}
    models = {"m": {"routes": ["one/a", "two/b"]}}
    async with gateway_world(tmp_path, models, upstreams) as world:
        world.upstreams["one"].script("status 500", "status 401")
        request = pb.EmbedRequest(texts=["hello"], model="m")
        assert (await world.stub.Embed(request)).model == "b"
        assert (await world.stub.CountTokens(HELLO)).input_tokens == 1
        assert world.seen() == {"one": 2, "two": 2}


async def test_prices_and_facts_are_the_files(tmp_path: Path) -> None:
    """ListModels has what the file says, and answers have their cost."""
    model = {
        "routes": "one/a",
        "description": "For tests.",
        "abilities": ["tools", "images"],
        "context_tokens": 1_000,
        "max_output_tokens": 100,
        "price": {"input": 1, "output": 2},
    }
    async with gateway_world(tmp_path, {"m": model}, THREE) as world:
        [listed] = (await world.stub.ListModels(pb.ListModelsRequest())).models
        assert listed == pb.Model(
            name="m",
            description="For tests.",
            abilities=[pb.ABILITY_CHAT, pb.ABILITY_TOOLS, pb.ABILITY_IMAGES],
            context_tokens=1_000,
            max_output_tokens=100,
            price=pb.Price(input=1, output=2, cached_input=1),
            serving=True,
        )
        usage = (await _ask(world)).usage
        assert usage.cost_nanodollars == usage.input_tokens * 1_000 + usage.output_tokens * 2_000


IMAGE = pb.Part(url="https://example.com/a.png")
LACKING: dict[str, pb.Message] = {
    "tools": pb.Message(content="x", tools=[pb.Tool(name="get")]),
    "format": pb.Message(content="x", format=pb.Format(json=True)),
    "reasoning.effort": pb.Message(content="x", reasoning=pb.Reasoning(effort=pb.EFFORT_LOW)),
    "reasoning.max_tokens": pb.Message(content="x", reasoning=pb.Reasoning(max_tokens=9)),
    "parts[0]": pb.Message(content="x", parts=[IMAGE]),
    "history[1].parts[0]": pb.Message(
        content="x",
        history=[
            pb.Turn(role=pb.ROLE_ASSISTANT, content="x"),
            pb.Turn(role=pb.ROLE_USER, parts=[IMAGE]),
        ],
    ),
}


async def test_what_a_model_cannot_do_is_rejected(tmp_path: Path) -> None:
    """Where the file says what a model can do, the rest is rejected by name, and nothing asked."""
    models = {
        "plain": {"routes": "one/a", "abilities": ["chat"]},
        "able": {
            "routes": "one/a",
            "abilities": ["tools", "format", "reasoning", "images"],
        },
        "embedder": {"routes": "one/e", "abilities": ["embeddings"]},
    }
    async with gateway_world(
        tmp_path, models, {"one": {"reasoning_parameter": "reasoning"}}
    ) as world:
        for field, message in LACKING.items():
            for method in (world.stub.Ask, world.stub.CountTokens):
                error = await error_of(method(message))
                assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert reason_of(error) == "UNSUPPORTED_BY_MODEL"
                assert violated_fields_of(error) == [field]
        request = pb.EmbedRequest(texts=["x"], model="plain")
        assert violated_fields_of(await error_of(world.stub.Embed(request))) == ["model"]
        chat = pb.Message(content="x", params=pb.Params(model="embedder"))
        assert violated_fields_of(await error_of(world.stub.Ask(chat))) == ["params.model"]
        assert world.seen() == {"one": 0}
        assert (await world.stub.Ask(HELLO)).content
        for message in LACKING.values():
            message.params.model = "able"
            await world.stub.CountTokens(message)
        embedded = await world.stub.Embed(pb.EmbedRequest(texts=["x"], model="embedder"))
        assert len(embedded.vectors) == 1
