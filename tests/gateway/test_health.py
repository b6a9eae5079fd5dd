"""Health of models: SERVING while one of their routes lets calls through."""

from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.gateway import HELLO, gateway_world
from support.unary import error_of
from tokenwire.v1 import chatgpt_pb2 as pb

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
MODELS = {"fast": {"routes": "one/a"}, "smart": {"routes": ["one/b", "two/c"]}}


async def test_a_model_is_served_while_a_route_is_closed(tmp_path: Path) -> None:
    """A watcher sees that the only route of a model opens, and that it is tried again."""
    upstreams: dict[str, dict[str, Any]] = {"one": {}, "two": {}}
    async with (
        gateway_world(tmp_path, MODELS, upstreams) as world,
        grpc.aio.insecure_channel(world.app.address) as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="models/fast"))
        assert (await watch.read()).status == SERVING
        world.upstreams["one"].script("status 429 retry-after=1")
        await error_of(world.stub.Ask(HELLO))
        assert (await watch.read()).status == NOT_SERVING
        models = {each.name: each for each in await _listed(world.stub)}
        assert (models["fast"].serving, models["smart"].serving) == (False, True)
        statuses = {}
        for service in ("", "openai.Chatgpt", "models/fast", "models/smart"):
            request = health_pb2.HealthCheckRequest(service=service)
            statuses[service] = (await stub.Check(request)).status
        assert statuses == {
            "": SERVING,
            "openai.Chatgpt": SERVING,
            "models/fast": NOT_SERVING,
            "models/smart": SERVING,
        }
        # Its open time is over: the next call is the probe.
        assert (await watch.read()).status == SERVING
        assert (await world.stub.Ask(HELLO)).content
        watch.cancel()


async def _listed(stub: Any) -> list[pb.Model]:
    return list((await stub.ListModels(pb.ListModelsRequest())).models)


async def test_an_unknown_model_has_no_health(tmp_path: Path) -> None:
    """The service of a model that the file does not have is NOT_FOUND."""
    async with (
        gateway_world(tmp_path, MODELS, {"one": {}, "two": {}}) as world,
        grpc.aio.insecure_channel(world.app.address) as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        error = await error_of(stub.Check(health_pb2.HealthCheckRequest(service="models/other")))
        assert error.code() is grpc.StatusCode.NOT_FOUND
