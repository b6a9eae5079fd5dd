"""The metrics of the process itself, before the first call and between calls."""

import asyncio
import time

import grpc
import pytest

from support.app import MODEL, StartApp
from support.exposed import read
from support.helpers import collect, failure_of
from support.waiting import within
from tokenwire.api.codes import failure_outcomes
from tokenwire.app import App
from tokenwire.core import errors
from tokenwire.core.domain import FinishReason
from tokenwire.observability.metrics import labels
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

INVENTED = 5_000
AT_ONCE = 50


async def test_counters_are_there_before_the_first_event(start_app: StartApp) -> None:
    """Every known code, reason, outcome and model is exposed at 0, so that rate() works."""
    app = await start_app(models="other-model", prices="priced=1:2")
    exposed = await read(app)
    assert exposed.counted() == {}
    for code in grpc.StatusCode:
        assert exposed.total("grpc_server_handled_total", grpc_code=code.name) == 0
    found = {key for key, _ in exposed.values.items() if key[0].endswith("_total")}
    reasons = {dict(its).get("reason") for name, its in found if name == "tokenwire_errors_total"}
    assert {errors.EmptyPrompt.reason, errors.UpstreamTimeout.reason, "CANCELLED"} < reasons
    assert reasons == {reason for _, reason in failure_outcomes()}
    models = {MODEL, "other-model", "priced", "other"}
    expected = {
        "tokenwire_calls_total": ("outcome", {each.value for each in labels.Outcome}),
        "tokenwire_tokens_total": ("gen_ai_token_type", {each.value for each in labels.TokenType}),
        "tokenwire_finish_reasons_total": ("finish_reason", {each.value for each in FinishReason}),
        "tokenwire_upstream_errors_total": ("reason", labels.UPSTREAM_REASONS),
        "tokenwire_upstream_retries_total": ("reason", labels.UPSTREAM_REASONS),
    }
    for name, (label, values) in expected.items():
        its = [dict(each) for found_name, each in found if found_name == name]
        assert {(each["gen_ai_request_model"], each[label]) for each in its} == {
            (model, value) for model in models for value in values
        }
    assert exposed.value("tokenwire_spans_dropped_total", reason="export") == 0
    assert exposed.value("tokenwire_cost_dollars_total", gen_ai_request_model="priced") == 0


@pytest.mark.slow
async def test_thousands_of_invented_models_add_no_series(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """5,000 invented model names, including failed calls, add no series after the first two."""
    app = await start_app()
    upstream.script("tokens 1; finish; done", "tokens 1; reset")
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        plan = "[[demo: text a; text b; finish; usage 1 2; done]]"

        def invent(number: int) -> pb.Message:
            return pb.Message(content=plan, params=pb.Params(model=f"invented-{number}"))

        await collect(stub.Send(invent(0)))
        await failure_of(stub.Send(invent(1)))
        before = await read(app)
        numbers = iter(range(INVENTED))

        async def ask() -> None:
            for number in numbers:
                await collect(stub.Send(invent(number)))

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    after = await read(app)
    assert before.values.keys() == after.values.keys()
    invented = {"gen_ai_request_model": "other", "outcome": "ok"}
    assert after.value("tokenwire_calls_total", **invented) == INVENTED + 1


async def test_a_process_that_stops_says_so(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The drain gauge is 1 from the stop signal on."""
    app = await start_app()
    upstream.script("tokens 1; barrier hold; answer")
    async with grpc.aio.insecure_channel(app.address) as channel:
        call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
        await upstream.barrier("hold").reached()
        assert (await read(app)).value("tokenwire_draining") == 0
        draining = asyncio.create_task(app.drain())
        # One iteration of the event loop, in which the drain begins.
        await asyncio.sleep(0)
        assert (await read(app)).value("tokenwire_draining") == 1
        upstream.barrier("hold").release()
        await collect(call)
        await draining


async def test_a_busy_event_loop_is_seen(app: App) -> None:
    """A delay of the event loop is observed as lag of that length."""
    time.sleep(0.6)  # noqa: ASYNC251 - the test needs a blocked event loop

    def worst() -> float:
        sample = app.metrics.registry.get_sample_value
        lag = "tokenwire_event_loop_lag_seconds"
        return (sample(f"{lag}_count") or 0) - (sample(f"{lag}_bucket", {"le": "0.1"}) or 0)

    await within(10, "the lag is told", lambda: worst() == 1)
