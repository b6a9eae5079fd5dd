"""Load reports in the form of ORCA, with each call and as a stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from support.app import MODEL, StartApp, Stub
from support.call_records import METHOD
from support.helpers import collect
from support.orca import reported
from support.waiting import within
from test_reflection import ask, pool_of
from tokenwire import config
from tokenwire.app import App
from tokenwire.observability.metrics import Metrics
from tokenwire.server import load_meter, load_reports
from tokenwire.server.accept_probe import AcceptProbe
from tokenwire.server.interceptors.admission import AdmissionInterceptor
from tokenwire.server.load_meter import TRAILER, LoadMeter
from tokenwire.server.load_reports import MAX_REQUEST_BYTES, interval_seconds
from tokenwire.server.share_key import NOBODY
from tokenwire.server.shedding import LoadShedder
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire.xds.orca_load_report_pb2 import OrcaLoadReport
from tokenwire.xds.orca_service_pb2 import OrcaLoadReportRequest
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")
SLOTS = 4
FULL = {"max_streams": 1, "max_queue": 0}


def reports_of(channel: grpc.aio.Channel) -> Any:
    """Return the method that streams load reports."""
    return channel.unary_stream(
        "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics",
        request_serializer=OrcaLoadReportRequest.SerializeToString,
        response_deserializer=OrcaLoadReport.FromString,
    )


def stub_of(channel: grpc.aio.Channel) -> Stub:
    stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
    return stub


@asynccontextmanager
async def held_call(app: App, upstream: DemoUpstream) -> AsyncIterator[grpc.aio.Channel]:
    """Hold a slot with a call for the duration of the block; yield its channel."""
    async with grpc.aio.insecure_channel(app.address) as channel:
        upstream.script("barrier hold; answer")
        held = asyncio.create_task(collect(stub_of(channel).Send(HELLO)))
        await upstream.barrier("hold").reached(1)
        yield channel
        upstream.barrier("hold").release()
        await held


def streams(app: App) -> float | None:
    return app.metrics.registry.get_sample_value("tokenwire_load_report_streams")


async def test_a_server_tells_nothing_by_default(app: App, channel: grpc.aio.Channel) -> None:
    """Without the setting, calls have no report and the service does not exist."""
    assert await reported(app.address, HELLO) is None
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reports_of(channel)(OrcaLoadReportRequest()).read()
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_each_call_has_a_report(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The report of a call counts the call itself, in the slots in use and in the rate."""
    app = await start_app(load_reports="calls", max_streams=SLOTS)
    first = await reported(app.address, HELLO)
    async with held_call(app, upstream):
        second = await reported(app.address, HELLO)
    assert first
    assert second
    assert 0 < first.application_utilization < second.application_utilization < 1
    assert 0 < first.rps_fractional < second.rps_fractional
    assert (first.eps, second.eps) == (0, 0)


async def test_a_rejected_call_reports_a_full_server_with_errors(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A call without a slot has a report with the slots in use and errors."""
    monkeypatch.setattr(load_meter, "WINDOW_SECONDS", 0.001)
    app = await start_app(load_reports="calls", **FULL)
    async with held_call(app, upstream):
        report = await reported(app.address, HELLO)
    assert report
    assert report.application_utilization > 0.5
    assert report.eps > 0
    assert report.rps_fractional == load_meter.MIN_RPS


async def test_a_refused_request_is_no_error_of_the_server(start_app: StartApp) -> None:
    """A call that fails by its caller's fault has a report without errors."""
    app = await start_app(load_reports="calls")
    report = await reported(app.address, pb.Message(content=" "))
    assert report
    assert report.eps == 0


async def test_a_shed_call_reports_errors() -> None:
    """A call that is rejected before it has a record has a report too, and counts as an error."""
    meter = LoadMeter(1, in_calls=True)
    meter.start()
    admission = AdmissionInterceptor(1, 0, 0)
    metrics = Metrics([METHOD], {("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED")}, [], "", {})
    shedder = LoadShedder(AcceptProbe([]), admission, metrics, lambda *_: None, meter)
    aborted: list[tuple[Any, ...]] = []

    class Aborted:
        async def abort(self, *status: object) -> None:
            aborted.append(status)

    context: Any = Aborted()
    await shedder.reject(METHOD, "id-1", 1.0, NOBODY, context)
    [(code, _, trailers)] = aborted
    report = OrcaLoadReport.FromString(dict(trailers)[TRAILER])
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert report.eps > 0


async def test_reports_are_streamed_at_the_interval(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The first report comes at once, the next ones follow; calls themselves have none."""
    monkeypatch.setattr(load_reports, "MIN_INTERVAL_SECONDS", 0.001)
    app = await start_app(load_reports="service", max_streams=SLOTS)
    async with grpc.aio.insecure_channel(app.address) as channel:
        call = reports_of(channel)(OrcaLoadReportRequest())
        assert (await call.read()) == OrcaLoadReport()
        assert await reported(app.address, HELLO) is None
        async with held_call(app, upstream):
            while not (report := await call.read()).application_utilization:
                pass
    assert report.rps_fractional > 0


async def test_a_report_names_the_calls_that_wait(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Calls that wait for a slot are the named metric `queued`."""
    app = await start_app(
        load_reports="service", max_streams=1, max_queue=2, queue_timeout_seconds=30
    )
    async with grpc.aio.insecure_channel(app.address) as channel:
        upstream.script("barrier hold; answer", "answer")
        held = [asyncio.create_task(collect(stub_of(channel).Send(HELLO))) for _ in range(2)]
        await upstream.barrier("hold").reached(1)
        queued = "tokenwire_queue_length"
        value = app.metrics.registry.get_sample_value
        await within(5, "a call waits", lambda: value(queued) == 1)
        report = await reports_of(channel)(OrcaLoadReportRequest()).read()
        upstream.barrier("hold").release()
        await asyncio.gather(*held)
    assert dict(report.named_metrics) == {"queued": 1}


async def test_streams_of_reports_are_bounded(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp
) -> None:
    """A stream over the limit is rejected; one that ends frees its place; a gauge counts them."""
    monkeypatch.setattr(load_reports, "MAX_STREAMS", 2)
    app = await start_app(load_reports="service")
    async with grpc.aio.insecure_channel(app.address) as channel:
        method, request = reports_of(channel), OrcaLoadReportRequest()
        held = [method(request), method(request)]
        for call in held:
            await call.read()
        assert streams(app) == 2
        assert await method(request).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        held.pop().cancel()
        await within(5, "one has left", lambda: streams(app) == 1)
        assert await method(request).read()


async def test_a_long_request_is_rejected(start_app: StartApp) -> None:
    """A request that is longer than any real one is rejected, as gRPC would hold it."""
    app = await start_app(load_reports="service")
    # Field 2, the names of costs, which are not reported.
    name = bytes(MAX_REQUEST_BYTES)
    request = OrcaLoadReportRequest.FromString(b"\x12\x80\x08" + name)
    async with grpc.aio.insecure_channel(app.address) as channel:
        code = await reports_of(channel)(request).code()
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_reflection_knows_the_service(start_app: StartApp) -> None:
    """With the setting, reflection lists the service and has the files of its messages."""
    app = await start_app(load_reports="service")
    async with grpc.aio.insecure_channel(app.address) as channel:
        listed = await ask(channel, list_services="")
        found = await ask(channel, file_containing_symbol=load_reports.SERVICE)
    services = {each.name for each in listed.list_services_response.service}
    assert load_reports.SERVICE in services
    method = pool_of(found).FindServiceByName(load_reports.SERVICE).methods_by_name
    assert list(method) == [load_reports.METHOD]


async def test_a_drain_ends_the_streams(upstream: DemoUpstream) -> None:
    """The drain does not wait for streams of reports; they end with OK."""
    loaded = config.load(
        base_url=upstream.base_url,
        model=MODEL,
        listen="127.0.0.1:0",
        metrics_listen="127.0.0.1:0",
        load_reports="service",
        drain_seconds=0,
        grace_seconds=3_600,
    )
    async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:
        call = reports_of(channel)(OrcaLoadReportRequest(report_interval=Duration(seconds=600)))
        await call.read()
        await app.drain()
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (Duration(), 1),
        (Duration(seconds=-5), 1),
        (Duration(nanos=20_000_000), 1),
        (Duration(seconds=2, nanos=500_000_000), 2.5),
        (Duration(seconds=315_576_000_000), 3_600),
    ],
    ids=["none", "negative", "too short", "usual", "too long"],
)
def test_intervals_are_bounded(asked: Duration, seconds: float) -> None:
    """The interval is what the client asks for, between a second and an hour."""
    assert interval_seconds(asked) == seconds
