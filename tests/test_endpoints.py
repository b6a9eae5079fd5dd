"""Every method passes through the whole chain of handlers, including unary ones."""

import weakref
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support.app import StartApp
from support.exposed import read
from support.helpers import reason_of
from support.otlp import Collector
from tokenwire import components
from tokenwire.aiplatform.v1beta1 import prediction_service_pb2
from tokenwire.api.chatgpt import service
from tokenwire.api.chatgpt.service import METHODS, ChatgptService
from tokenwire.api.codes import CODES
from tokenwire.api.endpoint import Endpoint
from tokenwire.api.protocols import ServedProtocols
from tokenwire.core.call_record import CallRecord
from tokenwire.core.errors import EmptyPrompt, UpstreamUnreachable
from tokenwire.core.method import Method, MethodType
from tokenwire.observability.metrics.labels import FAILURES
from tokenwire.server.entry import Entry
from tokenwire.server.grpc_server import make_server
from tokenwire.server.interceptors.base import CallHandler
from tokenwire.server.reflection import V1, V1ALPHA
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire.xai.v1 import xai_pb2
from tokenwire_demo import DemoUpstream

ECHO = Method("openai.Chatgpt", "Echo", MethodType.UNARY)
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
LABELS = {"grpc_type": "unary", "grpc_service": "openai.Chatgpt", "grpc_method": "Echo"}


async def echo(message: pb.Message, call: CallRecord) -> pb.Answer:
    """Return the message's content, or fail as an upstream would."""
    if message.content == "unreachable":
        raise UpstreamUnreachable
    if not message.content:
        raise EmptyPrompt
    return pb.Answer(content=message.content, id=call.request_id)


def add_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    """Add an endpoint of `ECHO` to the method table."""
    endpoints = ChatgptService.endpoints
    monkeypatch.setattr(ChatgptService, "endpoints", lambda self: [*endpoints(self), endpoint])
    monkeypatch.setattr(service, "METHODS", (*METHODS, ECHO))


@pytest.fixture
def _echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a unary method to the served methods."""
    endpoint = Endpoint(
        ECHO,
        check=lambda _: None,
        parse=pb.Message.FromString,
        handle=echo,
        serialize=pb.Answer.SerializeToString,
    )
    add_endpoint(monkeypatch, endpoint)


async def call_echo(address: str, content: str, **options: Any) -> pb.Answer:
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(
            ECHO.path,
            request_serializer=pb.Message.SerializeToString,
            response_deserializer=pb.Answer.FromString,
        )
        answer: pb.Answer = await call(pb.Message(content=content), **options)
        return answer


@pytest.mark.usefixtures("_echo")
async def test_a_unary_method_passes_the_chain(
    start_app: StartApp, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """A unary call has a request ID, a span, a log line, and the metrics of every other method."""
    caplog.set_level("INFO", "tokenwire.call")
    server = await start_app()
    answer = await call_echo(server.address, "hello", metadata=(("x-request-id", "id-7"),))
    assert (answer.content, answer.id) == ("hello", "id-7")
    exposed = await read(server)
    assert exposed.value("grpc_server_started_total", **LABELS) == 1
    assert exposed.value("grpc_server_handled_total", **LABELS, grpc_code="OK") == 1
    assert exposed.value("grpc_server_msg_sent_total", **LABELS) == 1
    assert exposed.total("tokenwire_calls_total", outcome="ok") == 1
    assert exposed.total("grpc_server_started_total", grpc_method="Send") == 0
    assert [vars(record)["request_id"] for record in caplog.records] == ["id-7"]
    [span] = await collector.received(1)
    assert span.name == ECHO.path


@pytest.mark.usefixtures("_echo")
async def test_a_failed_unary_method_has_its_status(start_app: StartApp) -> None:
    """A failure has its code, reason and details; a temporary one is UNAVAILABLE."""
    server = await start_app()
    expected = {
        "unreachable": (grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNREACHABLE"),
        "": (grpc.StatusCode.INVALID_ARGUMENT, "EMPTY_PROMPT"),
    }
    for content, ending in expected.items():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_echo(server.address, content)
        assert (caught.value.code(), reason_of(caught.value)) == ending
    exposed = await read(server)
    assert exposed.value("grpc_server_handled_total", **LABELS, grpc_code="UNAVAILABLE") == 1


@pytest.mark.usefixtures("_echo")
async def test_a_unary_method_needs_a_slot(start_app: StartApp, upstream: DemoUpstream) -> None:
    """A unary call is rejected like any other if another call occupies the only slot."""
    server = await start_app(max_streams=1, max_queue=0)
    upstream.script("stall")
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
        await upstream.wait_for_requests(1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_echo(server.address, "hello")
        call.cancel()
    assert reason_of(caught.value) == "SERVER_OVERLOADED"


async def test_a_unary_method_can_free_its_request(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp
) -> None:
    """Nothing but the handler of a unary method refers to the parsed request."""

    class Parsed:
        """A request that shows whether it is still in memory."""

    async def free(request: Parsed, _: CallRecord) -> pb.Answer:
        reference = weakref.ref(request)
        del request
        return pb.Answer(content="freed" if reference() is None else "held")

    endpoint = Endpoint(
        ECHO,
        check=lambda _: None,
        parse=lambda _: Parsed(),  # type: ignore[arg-type,return-value] # no message is needed
        handle=free,
        serialize=pb.Answer.SerializeToString,
    )
    add_endpoint(monkeypatch, endpoint)
    server = await start_app()
    assert (await call_echo(server.address, "hello")).content == "freed"


CONTRACTS = {
    "": (),
    "xai": (xai_pb2,),
    "aiplatform": (prediction_service_pb2,),
    "aiplatform,xai": (prediction_service_pb2, xai_pb2),
}
"""The contracts by what the setting names."""


@pytest.mark.parametrize("protocols", CONTRACTS)
async def test_every_registered_method_is_covered(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, protocols: str
) -> None:
    """Every registered method passes through the chain, except those of health and reflection."""
    registered: dict[str, Any] = {}

    def make(*arguments: Any, **named: Any) -> grpc.aio.Server:
        server = make_server(*arguments, **named)
        add = server.add_registered_method_handlers

        def note(service: str, handlers: Mapping[str, Any]) -> None:
            registered.update({f"/{service}/{name}": each for name, each in handlers.items()})
            add(service, handlers)

        monkeypatch.setattr(server, "add_registered_method_handlers", note)
        return server

    monkeypatch.setattr(components, "make_server", make)
    made: list[Any] = []
    handler = Entry.handler

    def note_made(entry: Entry, endpoint: Endpoint, chain: CallHandler) -> Any:
        made.append(handler(entry, endpoint, chain))
        return made[-1]

    monkeypatch.setattr(Entry, "handler", note_made)
    await start_app(protocols=protocols)
    entered = {path for path, each in registered.items() if each in made}
    served = ServedProtocols(protocols.split(",") if protocols else ())
    assert entered == {method.path for method in served.methods}
    of_contract = [
        each
        for contract in (pb, *CONTRACTS[protocols])
        for each in contract.DESCRIPTOR.services_by_name.values()
    ]
    assert entered == {
        f"/{service.full_name}/{each.name}" for service in of_contract for each in service.methods
    }
    others = {path.split("/")[1] for path in registered.keys() - entered}
    assert others == {HEALTH, V1, V1ALPHA}


def test_every_failure_has_a_code() -> None:
    """Every failure has a status code, and every code belongs to a failure."""
    assert set(FAILURES) == set(CODES)
