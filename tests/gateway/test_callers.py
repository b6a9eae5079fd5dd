"""Callers: a call needs a key of the gateway file, and may use the models of its caller."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from support.exposed import read
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.health import SERVING, health_of
from support.helpers import collect, reason_of
from support.limits import bearer
from support.unary import ending_of, error_of
from tokenwire.cli.keys import hash_of
from tokenwire.config import SettingsError
from tokenwire.config.gateway import load_gateway
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_client import ChatError, Client, SyncClient

TEAM, BATCH, OLD = ("tw_team_canary1", "tw_batch_canary2", "tw_old_canary3")
MODELS: dict[str, Any] = {
    "smart": {"routes": "one/b", "aliases": ["clever"], "price": {"input": 1, "output": 2}},
    "fast": {"routes": "one/a"},
    "vectors": {"routes": "one/c"},
}
CALLERS: dict[str, Any] = {
    "team": {"keys": [hash_of(TEAM), {"hash": hash_of(OLD), "not_after": "2020-01-01"}]},
    "batch": {"keys": [hash_of(BATCH)], "models": ["fast"]},
}
MISSING, INVALID, EXPIRED = (
    ("UNAUTHENTICATED", f"CREDENTIALS_{reason}") for reason in ("MISSING", "INVALID", "EXPIRED")
)


def to(model: str) -> pb.Message:
    """Return a message to a model."""
    return pb.Message(content="hello", params=pb.Params(model=model))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GatewayWorld]:
    """Start a server with two callers."""
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=CALLERS) as running:
        yield running


async def test_a_key_opens(world: GatewayWorld) -> None:
    """Each of the headers of well-known clients is accepted, and the log line has the caller."""
    for metadata in (
        bearer(TEAM),
        (("authorization", f"bearer  {TEAM} "),),
        (("x-api-key", TEAM),),
        (("x-goog-api-key", TEAM),),
    ):
        answer = await world.stub.Ask(HELLO, metadata=metadata)
        assert answer.route.upstream == "one"


REFUSED: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, str]]] = {
    "none": ((), MISSING),
    "another header": ((("x-key", TEAM),), MISSING),
    "unknown": (bearer("tw_team_other"), INVALID),
    "empty": (bearer(""), INVALID),
    "a part": (bearer(TEAM[:-1]), INVALID),
    "the hash itself": (bearer(hash_of(TEAM)), INVALID),
    "another scheme": ((("authorization", f"Basic {TEAM}"),), INVALID),
    "without a scheme": ((("authorization", TEAM),), INVALID),
    "authorization counts": ((("authorization", "Bearer x"), ("x-api-key", TEAM)), INVALID),
    "wherever it stands": ((("x-goog-api-key", TEAM), ("authorization", "Bearer x")), INVALID),
    "or else the first": ((("x-goog-api-key", "x"), ("x-api-key", TEAM)), INVALID),
    "huge": (bearer("x" * 6_000), INVALID),
    "expired": (bearer(OLD), EXPIRED),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_without_a_key_nothing_is_asked(
    world: GatewayWorld, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All methods are refused alike, no upstream is asked, and no log has the credentials."""
    metadata, ending = REFUSED[name]
    error = await error_of(collect(world.stub.Send(HELLO, metadata=metadata)))
    assert (error.code().name, reason_of(error)) == ending
    assert (error.details() or "").startswith("The call has no credentials that this service accep")
    for call in (
        world.stub.Ask(HELLO, metadata=metadata),
        world.stub.CountTokens(HELLO, metadata=metadata),
        world.stub.Embed(pb.EmbedRequest(texts=["a"], model="vectors"), metadata=metadata),
        world.stub.ListModels(pb.ListModelsRequest(), metadata=metadata),
    ):
        assert await ending_of(call) == ending
    assert world.seen() == {"one": 0}
    assert "canary" not in caplog.text
    assert "canary" not in str([record.__dict__ for record in caplog.records])


async def test_the_request_is_not_read_before(world: GatewayWorld) -> None:
    """A call without a key is refused though its message has not come."""

    async def never() -> AsyncIterator[pb.Message]:
        await asyncio.Event().wait()
        yield HELLO

    async with grpc.aio.insecure_channel(world.app.address) as channel:
        send = channel.stream_stream(
            "/openai.Chatgpt/Send",
            request_serializer=pb.Message.SerializeToString,
            response_deserializer=pb.Answer.FromString,
        )
        error = await error_of(collect(send(never())))
        assert reason_of(error) == "CREDENTIALS_MISSING"


async def test_models_are_per_caller(world: GatewayWorld) -> None:
    """A caller uses its own models only, has its own default, and is told of no others."""
    batch = bearer(BATCH)
    assert (await world.stub.Ask(HELLO, metadata=batch)).model == "a"
    assert (await world.stub.Ask(HELLO, metadata=bearer(TEAM))).model == "b"
    for model in ("smart", "clever"):
        error = await error_of(collect(world.stub.Send(to(model), metadata=batch)))
        assert (error.code().name, reason_of(error)) == ("PERMISSION_DENIED", "MODEL_NOT_ALLOWED")
        assert await ending_of(world.stub.CountTokens(to(model), metadata=batch)) == (
            "PERMISSION_DENIED",
            "MODEL_NOT_ALLOWED",
        )
    embed = pb.EmbedRequest(texts=["a"], model="vectors")
    assert (await ending_of(world.stub.Embed(embed, metadata=batch)))[1] == "MODEL_NOT_ALLOWED"
    unknown = await ending_of(world.stub.Ask(to("other"), metadata=batch))
    assert unknown == ("INVALID_ARGUMENT", "UNKNOWN_MODEL")
    assert world.seen() == {"one": 2}
    listed = await world.stub.ListModels(pb.ListModelsRequest(), metadata=batch)
    assert ([model.name for model in listed.models], listed.default_model) == (["fast"], "fast")
    listed = await world.stub.ListModels(pb.ListModelsRequest(), metadata=bearer(TEAM))
    assert len(listed.models) == 4


async def test_health_is_open(world: GatewayWorld) -> None:
    """Probes need no key."""
    async with grpc.aio.insecure_channel(world.app.address) as channel:
        request = health_pb2.HealthCheckRequest(service="models/fast")
        assert (await health_of(channel).Check(request)).status == SERVING


async def test_reflection_is_as_it_is_set(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Reflection is open, needs the credentials of a caller, or is off."""
    refused = ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
    expected: dict[str, list[tuple[str, str]]] = {
        "open": [("OK", ""), ("OK", ""), ("OK", "")],
        "callers": [refused, INVALID, ("OK", "")],
        "off": [("UNIMPLEMENTED", "")] * 3,
    }
    for value, endings in expected.items():
        with subtests.test(value):
            async with (
                gateway_world(
                    tmp_path, MODELS, {"one": {}}, callers=CALLERS, reflection=value
                ) as world,
                grpc.aio.insecure_channel(world.app.address) as channel,
            ):
                found = [
                    await reflection_ending(channel, metadata)
                    for metadata in ((), bearer("wrong"), bearer(TEAM))
                ]
                assert found == endings
    async with (
        gateway_world(tmp_path, MODELS, {"one": {}}, reflection="callers") as world,
        grpc.aio.insecure_channel(world.app.address) as channel,
    ):
        assert await reflection_ending(channel, ()) == ("OK", "")


async def reflection_ending(channel: grpc.aio.Channel, metadata: Any) -> tuple[str, str]:
    """Ask for the list of services; return the status and its reason."""
    ask: Any = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    call = ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), metadata=metadata)
    try:
        [response] = [each async for each in call]
    except grpc.aio.AioRpcError as error:
        known = error.code() is grpc.StatusCode.UNAUTHENTICATED
        return error.code().name, reason_of(error) if known else ""
    assert response.list_services_response.service
    return "OK", ""


async def test_what_a_caller_used_is_counted(world: GatewayWorld) -> None:
    """Calls, tokens and cost have the caller's name; a refused call has none."""
    answer = await world.stub.Ask(HELLO, metadata=bearer(TEAM))
    await error_of(collect(world.stub.Send(to("smart"), metadata=bearer(BATCH))))
    await error_of(collect(world.stub.Send(HELLO)))
    exposed = await read(world.app)
    calls = {
        (caller, outcome): exposed.value(
            "tokenwire_caller_calls_total", caller=caller, outcome=outcome
        )
        for caller in ("team", "batch")
        for outcome in ("ok", "rejected")
    }
    assert calls == {
        ("team", "ok"): 1,
        ("team", "rejected"): 0,
        ("batch", "ok"): 0,
        ("batch", "rejected"): 1,
    }
    tokens = "tokenwire_caller_tokens_total"
    used = exposed.value(tokens, caller="team", gen_ai_token_type="output")
    assert used == answer.usage.output_tokens
    cost = exposed.value("tokenwire_caller_cost_dollars_total", caller="team")
    assert cost == pytest.approx(answer.usage.cost_nanodollars / 1e9)
    assert exposed.value("tokenwire_rejected_total", reason="CREDENTIALS_MISSING") == 1


async def test_a_key_is_replaced_without_a_restart(world: GatewayWorld) -> None:
    """A new key is accepted after a reload, and a removed one is not."""
    callers = {"team": {"keys": [hash_of("tw_team_new")]}}
    world.write(MODELS, {"one": {}}, callers)
    await world.reloaded()
    assert (await world.stub.Ask(HELLO, metadata=bearer("tw_team_new"))).content
    assert await ending_of(world.stub.Ask(HELLO, metadata=bearer(TEAM))) == INVALID
    world.write(MODELS, {"one": {}})
    await world.reloaded()
    assert (await world.stub.Ask(HELLO)).content


async def test_the_clients_have_a_key(world: GatewayWorld) -> None:
    """Both clients send their key with every call; a wrong one is an error of its own."""
    async with Client(world.app.address, key=f"{TEAM}\n") as client:
        assert (await client.ask("hello")).content
        assert len((await client.list_models()).models) == 4
    async with Client(world.app.address, key="wrong") as client:
        with pytest.raises(ChatError) as caught:
            await client.ask("hello")
        assert caught.value.reason == "CREDENTIALS_INVALID"

    def ask() -> str:
        with SyncClient(world.app.address, key=TEAM) as client:
            return client.ask("hello").content

    assert await asyncio.to_thread(ask)
    for wrong in ("", "two\nlines", "ключ"):
        with pytest.raises(ValueError, match="key must be one line"):
            Client(world.app.address, key=wrong)


async def test_the_start_says_who_may_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a file without callers, everyone may call; keys in plaintext are warned of."""
    caplog.set_level(logging.INFO, "tokenwire.app")
    async with gateway_world(tmp_path, MODELS, {"one": {}}):
        assert "everyone may call" in caplog.text
    caplog.clear()
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=CALLERS):
        assert "callers send their keys in plaintext" in caplog.text


MISTAKES = {
    "  a: {keys: [tw_a_canary]}": "callers.a.keys[0].hash: must be sha256: and 64 hexadecimal",
    "  a: {keys: []}": "callers.a.keys: must have at least 1 entries",
    "  A: {keys: [HASH]}": "callers.A=A: must be 1 to 63 lower-case letters",
    "  a: {keys: [HASH], models: [fst]}": "callers.a.models[0]=fst: is not a model of the file",
    "  a: {keys: [HASH, HASH]}": "callers.a.keys[1]: is the same as callers.a.keys[0]",
    "  a: {keys: [{hash: HASH, not_after: soon}]}": "callers.a.keys[0].not_after: must be a date",
    "  {}": "callers: must have at least 1 entries",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_told(text: str, tmp_path: Path) -> None:
    """Each mistake has a line with its place, and no key is repeated."""
    path = tmp_path / "gateway.yaml"
    file = "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}\nmodels: {fast: {routes: one/a}}\n"
    path.write_text(f"{file}callers:\n{text.replace('HASH', hash_of(TEAM))}\n")
    with pytest.raises(SettingsError) as caught:
        load_gateway(path)
    [problem] = caught.value.problems
    assert problem.startswith(f"{path}:")
    assert MISTAKES[text] in problem
    assert "canary" not in problem


async def test_streams_are_collected(world: GatewayWorld) -> None:
    """A stream with a key is whole."""
    answers = await collect(world.stub.Send(HELLO, metadata=bearer(TEAM)))
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
