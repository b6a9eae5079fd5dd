"""Reload: a change of the gateway file, or of a file that it names, applies to new calls."""

import asyncio
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from support.exposed import read, series
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, text_of
from support.unary import ending_of
from tokenwire.observability.metrics.routes import RouteMetrics
from tokenwire.reload import GatewayReloader
from tokenwire.upstreams.langchain.provider import PROVIDERS, ProviderDialectClass
from tokenwire.v1 import chatgpt_pb2 as pb

FAST = {"fast": {"routes": ["one/a"]}}
UPSTREAMS: dict[str, dict[str, Any]] = {"one": {}, "two": {}}
REFUSED = "gateway file cannot be used; its previous content stays in use"


def to(model: str) -> pb.Message:
    """Return a message to a model."""
    return pb.Message(content="hello", params=pb.Params(model=model))


async def asked(world: GatewayWorld, model: str) -> str:
    """Return the upstream that answers for a model."""
    answer: pb.Answer = await world.stub.Ask(to(model))
    return str(answer.route.upstream)


async def test_models_come_and_go(tmp_path: Path) -> None:
    """A new model answers, a removed one is unknown, and all that lists models agrees."""
    async with (
        gateway_world(tmp_path, FAST, UPSTREAMS) as world,
        grpc.aio.insecure_channel(world.app.address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        watches = {
            name: health.Watch(health_pb2.HealthCheckRequest(service=f"models/{name}"))
            for name in ("fast", "new")
        }
        states = health_pb2.HealthCheckResponse
        assert (await watches["fast"].read()).status == states.SERVING
        assert (await watches["new"].read()).status == states.SERVICE_UNKNOWN
        assert await asked(world, "fast") == "one"
        world.write({"new": {"routes": "two/b", "aliases": ["alias"]}}, UPSTREAMS)
        event = await world.reloaded()
        assert (event.getMessage(), event.__dict__["models_added"]) == (
            "gateway file reloaded",
            ["new"],
        )
        assert event.__dict__["models_removed"] == ["fast"]
        assert (await watches["fast"].read()).status == states.SERVICE_UNKNOWN
        assert (await watches["new"].read()).status == states.SERVING
        assert await asked(world, "new") == await asked(world, "alias") == "two"
        assert await ending_of(world.stub.Ask(to("fast"))) == ("INVALID_ARGUMENT", "UNKNOWN_MODEL")
        listed = await world.stub.ListModels(pb.ListModelsRequest())
        assert [model.name for model in listed.models] == ["alias", "new"]
        assert listed.default_model == "new"
        exposed = await read(world.app)
        outcomes = {
            model: exposed.value("tokenwire_calls_total", outcome="ok", gen_ai_request_model=model)
            for model in ("fast", "new")
        }
        assert outcomes == {"fast": 1, "new": 2}
        assert ("tokenwire_route_open", (("route", "one/a"),)) not in exposed.values
        assert exposed.value("tokenwire_route_open", route="two/b") == 0
        served = [key for key in exposed.values if key[0] == "tokenwire_model_serving"]
        assert served == [series("tokenwire_model_serving", model="new")]
        assert exposed.value("tokenwire_gateway_reloads_total", result="ok") == 1
        for watch in watches.values():
            watch.cancel()


async def test_running_answers_keep_their_version(tmp_path: Path) -> None:
    """An answer goes on by the route with which it began; then its connections are closed."""
    async with gateway_world(tmp_path, FAST, UPSTREAMS) as world:
        one = world.upstreams["one"]
        one.script("tokens 2; barrier hold; answer")
        running = asyncio.ensure_future(collect(world.stub.Send(HELLO)))
        await one.barrier("hold").reached()
        world.write({"fast": {"routes": "two/a"}}, {"two": {}})
        await world.reloaded()
        assert await asked(world, "fast") == "two"
        exposed = await read(world.app)
        assert exposed.value("tokenwire_gateway_versions") == 2
        upstreams = {
            dict(labels)["upstream"]
            for name, labels in exposed.values
            if name == "tokenwire_upstream_streams_in_flight"
        }
        assert upstreams == {"two"}
        one.barrier("hold").release()
        answers = await running
        assert answers[-1].route == pb.Route(upstream="one", attempts=1)
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        await one.wait_until_disconnected()
        assert (await read(world.app)).value("tokenwire_gateway_versions") == 1


async def test_what_has_not_changed_is_kept(tmp_path: Path) -> None:
    """An upstream that stays as it is keeps its connections and its breakers."""
    models = {"fast": {"routes": ["one/a", "two/b"]}, "smart": {"routes": "two/b"}}
    async with gateway_world(tmp_path, models, UPSTREAMS) as world:
        world.upstreams["one"].script("status 429 retry-after=30")
        assert await asked(world, "fast") == "two"
        world.write({**models, "new": {"routes": ["one/a", "two/b"]}}, UPSTREAMS)
        await world.reloaded()
        assert await asked(world, "new") == "two"
        assert world.seen() == {"one": 1, "two": 2}
        assert len(world.upstreams["two"].connections) == 1
        # Its breaker belongs to what it was.
        world.write(models, {"one": {"first_token_timeout": "10s"}, "two": {}})
        await world.reloaded()
        assert await asked(world, "fast") == "one"
        assert len(world.upstreams["two"].connections) == 1


async def test_a_mistake_changes_nothing(tmp_path: Path) -> None:
    """The log has each problem with its line, the metrics tell of it, and calls go on."""
    async with gateway_world(tmp_path, FAST, UPSTREAMS) as world:
        good = world.path.read_text()
        world.path.write_text("upstreams:\n  one: {}\nmodls: {}\n")
        event = await world.reloaded()
        assert (event.levelno, event.getMessage()) == (logging.ERROR, REFUSED)
        problems = event.__dict__["problems"]
        assert any(problem.startswith(f"{world.path}:3: modls:") for problem in problems)
        assert await asked(world, "fast") == "one"
        exposed = await read(world.app)
        assert exposed.value("tokenwire_gateway_file_usable") == 0
        assert exposed.value("tokenwire_gateway_reloads_total", result="error") == 1
        world.path.unlink()
        assert (await world.reloaded()).__dict__["problems"] == [
            f"{world.path}: cannot be read: No such file or directory"
        ]
        world.path.write_text(good)
        assert (await world.reloaded()).getMessage() == "gateway file reloaded"
        assert (await read(world.app)).value("tokenwire_gateway_file_usable") == 1
        assert (await world.reloaded()).getMessage() == "gateway file has not changed"


async def test_a_key_is_replaced_by_its_file_alone(tmp_path: Path) -> None:
    """A file that the gateway file names is read again when it changes; no log tells the key."""
    key = tmp_path / "key"
    key.write_text("sk-first")
    upstreams = {"one": {"keys": ["file:key"]}}
    async with gateway_world(tmp_path, FAST, upstreams) as world:
        assert await asked(world, "fast") == "one"
        key.write_text("sk-second\n")
        event = await world.reloaded(at_once=False)
        assert "sk-" not in str(event.__dict__)
        assert await asked(world, "fast") == "one"
        keys = [each.headers["authorization"] for each in world.upstreams["one"].requests]
        assert keys == ["Bearer sk-first", "Bearer sk-second"]
        key.unlink()
        assert (await world.reloaded(at_once=False)).getMessage() == REFUSED
        key.write_text("sk-third")
        assert (await world.reloaded(at_once=False)).getMessage() == "gateway file reloaded"


async def test_a_call_keeps_the_price_with_which_it_began(tmp_path: Path) -> None:
    """A new price applies to new calls, also if the model has been removed meanwhile."""
    priced = {"fast": {"routes": "one/a", "price": {"input": 0, "output": 1}}}
    async with gateway_world(tmp_path, priced, UPSTREAMS) as world:
        one = world.upstreams["one"]
        one.script("barrier hold; answer", "answer")
        running = asyncio.ensure_future(collect(world.stub.Send(HELLO)))
        await one.barrier("hold").reached()
        world.write({"new": {"routes": "one/a", "price": {"input": 0, "output": 2}}}, UPSTREAMS)
        await world.reloaded()
        one.barrier("hold").release()
        before = (await running)[-1].usage
        after = (await world.stub.Ask(HELLO)).usage
        assert before.cost_nanodollars == before.output_tokens * 1_000
        assert after.cost_nanodollars == after.output_tokens * 2_000


@pytest.mark.timeout(120)
async def test_a_mounted_config_map_is_replaced_under_load(tmp_path: Path) -> None:
    """While the kubelet swaps the links, 200 streams run on; new calls see the new models."""
    streams = 200
    limits: dict[str, Any] = {"max_streams": 2 * streams, "max_streams_per_connection": 2 * streams}
    async with gateway_world(tmp_path, FAST, UPSTREAMS, mounted=True, **limits) as world:
        one = world.upstreams["one"]
        one.script(*["tokens 3; barrier hold; answer"] * streams)
        running = [asyncio.ensure_future(collect(world.stub.Send(HELLO))) for _ in range(streams)]
        await one.barrier("hold").reached(streams)
        world.write({"new": {"routes": "two/b"}}, UPSTREAMS)
        assert (await world.reloaded(at_once=False)).getMessage() == "gateway file reloaded"
        assert await asked(world, "new") == "two"
        assert await ending_of(world.stub.Ask(to("fast"))) == ("INVALID_ARGUMENT", "UNKNOWN_MODEL")
        one.barrier("hold").release()
        for answers in await asyncio.gather(*running):
            assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
            assert text_of(answers).count("built-in demo model") == 1
        assert world.seen() == {"one": streams, "two": 1}


async def test_a_reload_at_the_end(tmp_path: Path) -> None:
    """A server that is asked to reload at the moment of its end stops."""
    async with gateway_world(tmp_path, FAST, UPSTREAMS) as world:
        assert world.app.offer.gateway
        metrics = RouteMetrics(CollectorRegistry())
        reloader = GatewayReloader(world.app.offer.gateway, metrics, lambda: None)
        reloader.start()
        await asyncio.sleep(0)
        reloader.check_now()
        async with asyncio.timeout(5):
            await reloader.stop()


async def test_the_package_of_a_provider_is_imported_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload that adds the first upstream of a provider does not hold up calls to import it."""
    provider = PROVIDERS["ollama"]
    in_event_loop: list[bool] = []

    def load() -> ProviderDialectClass:
        in_event_loop.append(threading.current_thread() is threading.main_thread())
        return provider.load()

    monkeypatch.setitem(PROVIDERS, "ollama", replace(provider, load=load))
    async with gateway_world(tmp_path, FAST, UPSTREAMS) as world:
        world.write(
            FAST | {"new": {"routes": "two/b"}}, UPSTREAMS | {"two": {"provider": "ollama"}}
        )
        assert (await world.reloaded()).getMessage() == "gateway file reloaded"
    assert in_event_loop[0] is False
