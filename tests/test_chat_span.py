"""The span of an answer, according to OpenTelemetry's GenAI conventions, in a collector."""

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from support.app import MODEL, Stub
from support.helpers import collect, failure_of
from support.otlp import Collector, attributes_of
from support.traced import CANARIES
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream


async def test_a_whole_answer_is_told(
    traced_stub: Stub, collector: Collector, upstream: DemoUpstream
) -> None:
    """The span is a child of the call's and has request and response data, but no address."""
    upstream.script('text "canary-text"; finish length; usage 10 5 4 2; done')
    await collect(traced_stub.Send(CANARIES))
    [server] = await collector.received(1)
    [span] = await collector.answered(1)
    assert span.name == f"chat {MODEL}"
    assert span.parent_span_id == server.span_id
    assert span.trace_id == server.trace_id
    assert span.status.code == Status.STATUS_CODE_UNSET
    attributes = attributes_of(span)
    assert 0 < attributes.pop("gen_ai.response.time_to_first_chunk") < 10
    assert attributes.pop("gen_ai.response.id")
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.output.type": "text",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.seed": 3,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ["length"],
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
    }
    assert "canary" not in str(collector.spans)
    assert upstream.base_url.split("/")[2] not in str(span)


async def test_a_failed_answer_is_told(
    traced_stub: Stub, collector: Collector, upstream: DemoUpstream
) -> None:
    """The span of a failed answer has the reason and status ERROR, whatever the call's code."""
    upstream.script("status 429 message=canary-body")
    await failure_of(traced_stub.Send(CANARIES))
    [span] = await collector.answered(1)
    attributes = attributes_of(span)
    assert attributes["error.type"] == "UPSTREAM_RATE_LIMITED"
    assert "gen_ai.response.time_to_first_chunk" not in attributes
    assert "gen_ai.response.finish_reasons" not in attributes
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert "canary" not in str(collector.spans)


async def test_a_cancelled_answer_is_told(
    traced_stub: Stub, collector: Collector, upstream: DemoUpstream
) -> None:
    """The span of an answer whose caller left has error.type CANCELLED and no status ERROR."""
    upstream.script("tokens 1; stall")
    call = traced_stub.Send(CANARIES)
    await call.read()
    call.cancel()
    [span] = await collector.answered(1)
    attributes = attributes_of(span)
    assert attributes["error.type"] == "CANCELLED"
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert span.status.code == Status.STATUS_CODE_UNSET


async def test_an_answer_out_of_time_is_told(
    traced_stub: Stub, collector: Collector, upstream: DemoUpstream
) -> None:
    """The span of an answer that exceeds the deadline has DEADLINE_EXCEEDED and status ERROR."""
    upstream.script("tokens 1; stall")
    await failure_of(traced_stub.Send(CANARIES, timeout=0.3))
    [span] = await collector.answered(1)
    assert attributes_of(span)["error.type"] == "DEADLINE_EXCEEDED"
    assert span.status.code == Status.STATUS_CODE_ERROR


async def test_a_rejected_call_has_no_answer(traced_stub: Stub, collector: Collector) -> None:
    """A call that never reaches the model has a server span and no span of an answer."""
    await failure_of(traced_stub.Send(pb.Message(content=" ")))
    await collector.received(1)
    assert len(collector.spans) == 1


async def test_a_retry_is_an_event(
    traced_stub: Stub, collector: Collector, upstream: DemoUpstream
) -> None:
    """A retry is an event of the span of the answer, with the reason of the first failure."""
    for _ in range(RETRY_COST):
        await collect(traced_stub.Send(pb.Message(content="hello")))
    upstream.script("status 500 message=canary-body", "answer")
    await collect(traced_stub.Send(pb.Message(content="hello")))
    span = (await collector.answered(RETRY_COST + 1))[-1]
    [event] = span.events
    assert event.name == "retry"
    assert {each.key: each.value.string_value for each in event.attributes}["error.type"] == (
        "UPSTREAM_ERROR"
    )
    assert "error.type" not in attributes_of(span)
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert "canary" not in str(collector.spans)
