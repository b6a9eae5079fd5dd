"""gRPC server reflection, as tools use it."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2 as pb

from support.app import StartApp
from support.waiting import within
from tokenwire.app import App
from tokenwire.server import reflection

V1, V1ALPHA = "grpc.reflection.v1", "grpc.reflection.v1alpha"
SERVICES = {
    "openai.Chatgpt",
    "grpc.health.v1.Health",
    f"{V1}.ServerReflection",
    f"{V1ALPHA}.ServerReflection",
}
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]

both_versions = pytest.mark.parametrize("version", [V1, V1ALPHA])


def open_stream(channel: grpc.aio.Channel, version: str = V1) -> Any:
    """Open a reflection stream; both versions have the same messages on the wire."""
    return channel.stream_stream(
        f"/{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=pb.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb.ServerReflectionResponse.FromString,
    )()


async def ask(channel: grpc.aio.Channel, version: str = V1, **asked: Any) -> Any:
    """Send one request and return the response."""
    stream = open_stream(channel, version)
    await stream.write(pb.ServerReflectionRequest(**asked))
    response = await stream.read()
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK
    return response


def pool_of(response: Any) -> DescriptorPool:
    """Return a pool of the files in a response; fail if a file is missing or wrong."""
    files = response.file_descriptor_response.file_descriptor_proto
    waiting = [FileDescriptorProto.FromString(each) for each in files]
    pool = DescriptorPool()
    known: set[str] = set()
    while waiting:
        ready = [each for each in waiting if known.issuperset(each.dependency)]
        assert ready, "a file's dependency is missing"
        for each in ready:
            pool.AddSerializedFile(each.SerializeToString())
            known.add(each.name)
            waiting.remove(each)
    return pool


@both_versions
async def test_either_version_lists_all_services(channel: grpc.aio.Channel, version: str) -> None:
    """Each version lists every service, including both versions of reflection."""
    response = await ask(channel, version, list_services="")
    assert {each.name for each in response.list_services_response.service} == SERVICES


@both_versions
async def test_every_service_is_described(
    channel: grpc.aio.Channel, version: str, subtests: pytest.Subtests
) -> None:
    """Each listed service can be described, including reflection itself."""
    for service in sorted(SERVICES):
        with subtests.test(service=service):
            response = await ask(channel, version, file_containing_symbol=service)
            assert pool_of(response).FindServiceByName(service).methods


METHODS = [
    "openai.Chatgpt.Send",
    "grpc.health.v1.Health.List",
    f"{V1}.ServerReflection.{reflection.METHOD}",
]


@both_versions
async def test_a_method_is_found(
    channel: grpc.aio.Channel, version: str, subtests: pytest.Subtests
) -> None:
    """A method's name resolves to its file, as grpcurl and ghz request it."""
    for method in METHODS:
        with subtests.test(method=method):
            response = await ask(channel, version, file_containing_symbol=method)
            assert pool_of(response).FindMethodByName(method).output_type


SYMBOLS = ["openai.Message", "openai.Message.content", "openai.Role", "openai.ROLE_USER"]


async def test_other_symbols_are_found(
    channel: grpc.aio.Channel, subtests: pytest.Subtests
) -> None:
    """Messages, fields, enums and enum values resolve to their file."""
    for symbol in SYMBOLS:
        with subtests.test(symbol=symbol):
            response = await ask(channel, file_containing_symbol=symbol)
            assert pool_of(response).FindFileContainingSymbol(symbol)


async def test_an_unknown_symbol_is_not_found(
    channel: grpc.aio.Channel, subtests: pytest.Subtests
) -> None:
    """An unknown name is NOT_FOUND, and the stream stays open."""
    for symbol in ("openai.Chatgpt.No", "openai.No", "No", "", ".", "openai"):
        with subtests.test(symbol=symbol):
            response = await ask(channel, file_containing_symbol=symbol)
            assert response.error_response.error_code == NOT_FOUND


async def test_v1_is_described_as_itself(channel: grpc.aio.Channel) -> None:
    """The file of v1 does not mention v1alpha, and has the file name that is standard for v1."""
    response = await ask(channel, file_by_filename="grpc/reflection/v1/reflection.proto")
    [file] = response.file_descriptor_response.file_descriptor_proto
    assert FileDescriptorProto.FromString(file).package == V1
    assert b"v1alpha" not in file


async def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch, start_app: StartApp) -> None:
    """A stream over the limit is rejected in either version; a stream that ends frees its slot."""
    monkeypatch.setattr(reflection, "MAX_STREAMS", 2)
    app = await start_app()
    async with grpc.aio.insecure_channel(app.address) as channel:
        held = [await answered_stream(channel, version) for version in (V1, V1ALPHA)]
        assert streams(app) == 2
        for version in (V1, V1ALPHA):
            assert await open_stream(channel, version).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        held[0].cancel()
        await within(10, "one has left", lambda: streams(app) == 1)
        held[0] = await answered_stream(channel, V1)
        for stream in held:
            await stream.done_writing()
            assert await stream.code() is grpc.StatusCode.OK
        assert streams(app) == 0


async def test_a_large_request_ends_its_stream(channel: grpc.aio.Channel, app: App) -> None:
    """A request larger than any name ends its stream with INVALID_ARGUMENT."""
    stream = open_stream(channel)
    await stream.write(pb.ServerReflectionRequest(file_by_filename="x" * 4_096))
    assert await stream.code() is grpc.StatusCode.INVALID_ARGUMENT
    await within(10, "the stream is gone", lambda: streams(app) == 0)


async def answered_stream(channel: grpc.aio.Channel, version: str) -> Any:
    """Return an open stream that has received a response."""
    stream = open_stream(channel, version)
    await stream.write(pb.ServerReflectionRequest(list_services=""))
    assert (await stream.read()).list_services_response.service
    return stream


def streams(app: App) -> float | None:
    return app.metrics.registry.get_sample_value("tokenwire_reflection_streams")
