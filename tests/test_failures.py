"""Failed calls: the status that the caller receives, and whether an upstream request is made."""

import grpc
import pytest

from support.app import StartApp, Stub
from support.helpers import (
    collect,
    details_of,
    failure_of,
    reason_of,
    retry_delay_of,
    text_of,
    violated_fields_of,
)
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream


async def test_a_blank_message_is_refused(
    stub: Stub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Empty or blank content fails with EMPTY_PROMPT and causes no upstream request."""
    for content in ("", " ", "\n\t "):
        with subtests.test(content=content):
            answers, error = await failure_of(stub.Send(pb.Message(content=content)))
            assert answers == []
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(error) == "EMPTY_PROMPT"
            assert upstream.requests_seen == 0


OUT_OF_RANGE = [
    ("params.temperature", pb.Message(params=pb.Params(temperature=2.1))),
    ("params.temperature", pb.Message(params=pb.Params(temperature=-0.1))),
    ("params.temperature", pb.Message(params=pb.Params(temperature=float("nan")))),
    ("params.max_tokens", pb.Message(params=pb.Params(max_tokens=0))),
    ("params.top_p", pb.Message(params=pb.Params(top_p=0))),
    ("params.top_p", pb.Message(params=pb.Params(top_p=1.5))),
    ("params.stop", pb.Message(params=pb.Params(stop=["a", ""]))),
    ("params.stop", pb.Message(params=pb.Params(stop=["a"] * 5))),
    ("params.frequency_penalty", pb.Message(params=pb.Params(frequency_penalty=2.5))),
    ("params.presence_penalty", pb.Message(params=pb.Params(presence_penalty=-2.5))),
    ("params.user", pb.Message(params=pb.Params(user="u" * 257))),
    ("params.model", pb.Message(params=pb.Params(model="two\nlines"))),
    ("params.top_k", pb.Message(params=pb.Params(top_k=0))),
    ("params.top_logprobs", pb.Message(params=pb.Params(top_logprobs=21))),
    ("params.top_logprobs", pb.Message(params=pb.Params(top_logprobs=-1))),
    ("params.min_p", pb.Message(params=pb.Params(min_p=1.5))),
    ("params.logit_bias[7]", pb.Message(params=pb.Params(logit_bias={3: 1, 7: -100.5}))),
    ("params.logit_bias[7]", pb.Message(params=pb.Params(logit_bias={7: float("nan")}))),
    (
        "params.logit_bias",
        pb.Message(params=pb.Params(logit_bias=dict.fromkeys(range(1025), 1))),
    ),
    ("params.service_tier", pb.Message(params=pb.Params.FromString(b"\x70\x09"))),
    ("history[1].role", pb.Message(history=[pb.Turn(role=pb.ROLE_USER), pb.Turn()])),
]


async def test_a_field_out_of_range_is_named(
    stub: Stub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """An invalid field fails with INVALID_PARAMETER, is named, and causes no upstream request."""
    for field, message in OUT_OF_RANGE:
        with subtests.test(field=field, message=message):
            message.content = "hello"
            _, error = await failure_of(stub.Send(message))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(error) == "INVALID_PARAMETER"
            assert violated_fields_of(error) == [field]
            assert upstream.requests_seen == 0


async def test_a_model_beyond_the_offered_ones_is_refused(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """If the settings list models, any other model fails with UNKNOWN_MODEL."""
    app = await start_app(models=frozenset({"second-model"}))
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        await collect(stub.Send(pb.Message(content="x", params=pb.Params(model="second-model"))))
        _, error = await failure_of(
            stub.Send(pb.Message(content="x", params=pb.Params(model="third-model")))
        )
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(error) == "UNKNOWN_MODEL"
    assert violated_fields_of(error) == ["params.model"]
    assert upstream.requests_seen == 1


@pytest.mark.parametrize(
    ("plan", "code", "reason"),
    [
        ("status 401", grpc.StatusCode.FAILED_PRECONDITION, "UPSTREAM_AUTH_REJECTED"),
        ("status 429 retry-after=7", grpc.StatusCode.RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED"),
        ("status 500", grpc.StatusCode.UNAVAILABLE, "UPSTREAM_ERROR"),
        ("reset", grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNREACHABLE"),
    ],
)
async def test_a_rejecting_upstream_becomes_a_status(
    stub: Stub,
    upstream: DemoUpstream,
    plan: str,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    """A failure before the first token has its own code and reason, and no Answer is sent."""
    upstream.script(*[plan] * 3)
    call = stub.Send(pb.Message(content="hello"))
    answers, error = await failure_of(call)
    assert answers == []
    assert error.code() is code
    assert reason_of(error) == reason
    assert retry_delay_of(error) == (7 if "retry-after" in plan else None)
    assert details_of(error).message == error.details()


async def test_an_unreachable_upstream_becomes_a_status(start_app: StartApp) -> None:
    """A refused connection fails with UPSTREAM_UNREACHABLE."""
    async with DemoUpstream() as gone:
        base_url = gone.base_url
    app = await start_app(base_url=base_url)
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        _, error = await failure_of(stub.Send(pb.Message(content="hello")))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(error) == "UPSTREAM_UNREACHABLE"


async def test_a_broken_stream_is_aborted_and_says_so_in_its_last_answer(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """A failure after tokens were sent is ABORTED, and the last Answer contains its reason."""
    upstream.script("tokens 3; reset")
    answers, error = await failure_of(stub.Send(pb.Message(content="hello")))
    assert text_of(answers) == "This is tokenwire's"
    usage = pb.Usage(input_tokens=8, output_tokens=3, estimated=True)
    assert answers[-1] == pb.Answer(error="UPSTREAM_STREAM_BROKEN", usage=usage)
    assert error.code() is grpc.StatusCode.ABORTED
    assert reason_of(error) == "UPSTREAM_STREAM_BROKEN"


async def test_an_answer_without_an_end_is_not_a_success(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """A response without a finish reason fails with UPSTREAM_TRUNCATED."""
    upstream.script("tokens 3; done")
    _, error = await failure_of(stub.Send(pb.Message(content="hello")))
    assert reason_of(error) == "UPSTREAM_TRUNCATED"


async def test_nothing_of_the_upstreams_words_reaches_the_caller(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """Status and trailers contain fixed text and the request ID, but no text of the upstream."""
    upstream.script('status 500 message="canary-4711"')
    _, error = await failure_of(
        stub.Send(pb.Message(content="hello"), metadata=(("x-request-id", "call-1"),))
    )
    assert error.details() == "The upstream failed. Request id: call-1."
    assert "canary-4711" not in repr(error.trailing_metadata())
    assert ("x-request-id", "call-1") in tuple(error.trailing_metadata() or ())


async def test_a_full_service_says_so(start_app: StartApp, upstream: DemoUpstream) -> None:
    """A call over the limit fails with SERVER_OVERLOADED and a delay and is not sent upstream."""
    app = await start_app(max_streams=1)
    upstream.script("barrier hold; answer")
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        first = stub.Send(pb.Message(content="first"))
        await upstream.barrier("hold").reached()
        _, error = await failure_of(stub.Send(pb.Message(content="second")))
        upstream.barrier("hold").release()
        await collect(first)
        await collect(stub.Send(pb.Message(content="third")))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(error) == "SERVER_OVERLOADED"
    assert retry_delay_of(error) == 1
    assert upstream.requests_seen == 2


async def test_a_cancelled_call_ends_its_upstream_request(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """When the caller leaves, the server closes the connection of the upstream request."""
    upstream.script("tokens 1; stall")
    call = stub.Send(pb.Message(content="hello"))
    await call.read()
    call.cancel()
    await upstream.wait_closed(upstream.connections[0])
    assert upstream.requests[0].outcome == "client gone"
