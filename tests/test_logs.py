"""Each call is logged in one line, which never contains prompts or answers."""

import asyncio
import itertools
import logging

import grpc
import pytest

from support.app import MODEL, StartApp
from support.helpers import collect, failure_of, reason_of
from support.log_stream import captured
from support.traced import CANARIES, TRACE_ID, TRACEPARENT
from support.waiting import within
from tokenwire import config
from tokenwire.app import App
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import AnswerStream, ChatRequest, Delta
from tokenwire.observability.logs import log_loop_error
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

METADATA = (TRACEPARENT, ("x-request-id", "call-1"))

PLANS = {
    "answer": 'text "canary-text"; answer',
    "status": 'status 500 message="canary-body"',
    "error": 'text "canary-text"; error "canary-body"',
    "garbage": 'text "canary-text"; raw "data: {canary-raw\\n\\n"',
    "reset": 'text "canary-text"; reset',
}


async def test_a_call_is_one_line_of_json(start_app: StartApp) -> None:
    """The line has the code, model, tokens, times, request id and trace id of the call."""
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            answers = await collect(stub.Send(pb.Message(content="hello"), metadata=METADATA))
        entry = await stream.entry("call ended")
    usage = answers[-1].usage
    assert entry["level"] == "info"
    assert entry["code"] == "OK"
    assert "reason" not in entry or entry["reason"] == "OK"
    assert entry["model"] == MODEL
    assert entry["finish_reason"] == "stop"
    assert entry["tokens"] == entry["output_tokens"] == usage.output_tokens
    assert entry["input_tokens"] == usage.input_tokens
    assert 0 < entry["first_token_seconds"] <= entry["seconds"]
    assert entry["request_id"] == "call-1"
    assert entry["trace_id"] == TRACE_ID
    assert entry["peer"].startswith("ipv4:127.0.0.1:")
    assert entry["timestamp"].endswith("Z")


async def test_a_failed_call_is_one_line_too(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The line of a failed call has its code and reason."""
    upstream.script("tokens 2; reset")
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            await failure_of(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="x")))
        entry = await stream.entry("call ended")
    assert entry["code"] == "ABORTED"
    assert entry["reason"] == "UPSTREAM_STREAM_BROKEN"
    assert entry["tokens"] == 2
    assert "output_tokens" not in entry
    assert entry["request_id"]


async def test_what_held_up_a_call_is_in_its_line(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The line has the reason of each retry and the time that the call waited for a slot."""
    with captured() as stream:
        app = await start_app(max_streams=1, queue_timeout_seconds=30)
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            for _ in range(RETRY_COST):
                await collect(stub.Send(pb.Message(content="hello")))
            upstream.script("barrier hold; answer", "status 500", "answer")
            metadata = (("x-request-id", "waited"),)
            first = asyncio.create_task(collect(stub.Send(pb.Message(content="hello"))))
            await upstream.barrier("hold").reached()
            call = stub.Send(pb.Message(content="hello"), metadata=metadata)
            length = "tokenwire_queue_length"
            await within(10, "queued", lambda: app.metrics.registry.get_sample_value(length) == 1)
            upstream.barrier("hold").release()
            await first
            await collect(call)
        await stream.text_with('"waited"')
    [entry] = [each for each in stream.entries if each.get("request_id") == "waited"]
    assert entry["retries"] == ["UPSTREAM_ERROR"]
    assert 0 < entry["queued_seconds"] < entry["seconds"]
    others = [each for each in stream.entries if each.get("request_id") != "waited"]
    assert not any("retries" in each or "queued_seconds" in each for each in others)


async def test_a_cancelled_call_is_one_line_too(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A call that its caller cancels is logged with the code CANCELLED."""
    upstream.script("tokens 1; stall")
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
            await call.read()
            call.cancel()
            entry = await stream.entry("call ended")
    assert entry["code"] == "CANCELLED"


async def test_nothing_that_was_said_is_logged(
    start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Prompts, answers, keys and upstream messages are not logged at any level or in any format."""
    for log_format, log_level, plan in itertools.product(
        ("json", "console"), ("debug", "error"), PLANS
    ):
        with subtests.test(log_format=log_format, log_level=log_level, plan=plan):
            with captured(log_level, log_format) as stream:
                logging.getLogger("tokenwire").error("configured")
                app = await start_app(api_key="canary-key", system_prompt="canary-default")
                async with grpc.aio.insecure_channel(app.address) as channel:
                    stub = chatgpt_pb2_grpc.ChatgptStub(channel)
                    upstream.script(PLANS[plan])
                    call = stub.Send(CANARIES)
                    await (collect(call) if plan == "answer" else failure_of(call))
                if log_level == "debug":
                    await stream.text_with("call ended")
                await app.stop(grace_seconds=0)
                text = stream.getvalue()
            assert upstream.requests[-1].headers["authorization"] == "Bearer canary-key"
            assert "configured" in text
            assert "canary" not in text


class BrokenModel:
    """A model that raises an exception while the prompt is in a local variable."""

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        del call
        prompt = request.content
        if prompt:
            raise RuntimeError(f"canary-exception {prompt}")
        yield Delta(prompt)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_bug_is_told_without_its_words(log_format: str) -> None:
    """The caller gets a fixed text and an id; the log has that id and the location, but no text."""
    loaded = config.load(
        base_url="http://127.0.0.1:1/v1", listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    with captured("debug", log_format) as stream:
        async with App(loaded, BrokenModel()) as app, grpc.aio.insecure_channel(app.address) as to:
            call = chatgpt_pb2_grpc.ChatgptStub(to).Send(CANARIES, metadata=METADATA)
            answers, error = await failure_of(call)
            text = await stream.text_with("call ended")
    assert answers == []
    assert error.code() is grpc.StatusCode.INTERNAL
    assert reason_of(error) == "INTERNAL"
    assert error.details() == "This service failed. Request id: call-1."
    assert "bug in handler" in text
    assert "RuntimeError" in text
    assert "test_logs.py" in text
    assert "call-1" in text
    assert "canary" not in text


def _fail() -> None:
    prompt = "canary-local"
    raise RuntimeError(f"canary-exception {prompt}")


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_librarys_exception_is_told_without_its_words(log_format: str) -> None:
    """An exception that a library logs keeps its type and location, but no text or variables."""
    with captured(log_format=log_format) as stream:
        try:
            _fail()
        except RuntimeError:
            logging.getLogger("library").exception("it failed")
        text = stream.getvalue()
    assert "it failed" in text
    assert "RuntimeError" in text
    assert "_fail" in text
    assert "canary" not in text


async def test_an_exception_that_nobody_awaits_is_told_without_its_words() -> None:
    """An exception that only the event loop sees is logged with its type and location."""
    loop = asyncio.get_running_loop()
    with captured() as stream:
        loop.set_exception_handler(log_loop_error)
        loop.call_soon(_fail)
        entry = await stream.entry("exception outside of any call")
    assert entry["exception"] == "RuntimeError"
    assert entry["frames"][-1].endswith("_fail")
    assert "canary" not in stream.getvalue()


async def test_libraries_are_heard_from_warnings_on() -> None:
    """Library messages below the level of a warning, which may contain prompts, are not logged."""
    with captured("debug") as stream:
        logging.getLogger("openai").debug("canary-debug")
        logging.getLogger("httpx2").info("canary-info")
        logging.getLogger("httpx2").warning("careful")
        logging.getLogger("tokenwire.anything").debug("ours")
    assert [entry["event"] for entry in stream.entries] == ["careful", "ours"]


async def test_a_level_hides_what_is_below_it(start_app: StartApp) -> None:
    """No line is logged for a call at the level `warning`."""
    with captured("warning") as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="x")))
        await app.stop(grace_seconds=5)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("log_format", "is_json"), [("auto", True), ("console", False)])
async def test_the_console_form_is_for_terminals(log_format: str, *, is_json: bool) -> None:
    """Outside a terminal, lines are JSON unless set otherwise, and never colored."""
    with captured(log_format=log_format) as stream:
        logging.getLogger("tokenwire").warning("words")
    assert stream.getvalue().startswith("{") is is_json
    assert "words" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
