import asyncio
import pickle
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from support.scripted_server import (
    REQUEST_ID,
    Context,
    Script,
    ScriptedServer,
    bad_field,
    fails,
    fails_raw,
    hangs_after,
    reason,
    retry_after,
    says,
)
from tokenwire_client import (
    Answer,
    AnswerStream,
    ChatError,
    Client,
)
from tokenwire_client.v1.chatgpt_pb2 import Message


async def collect(stream: AnswerStream, into: list[str]) -> None:
    async for answer in stream:
        into.append(answer.content)  # noqa: PERF401 - keeps the answers before a failure


async def failure(script: Script) -> ChatError:
    """Make one call against `script` and return its error."""
    async with ScriptedServer(script) as server, Client(server.address) as client:
        with pytest.raises(ChatError) as caught:
            await collect(client.send("hello"), [])
    return caught.value


async def test_failure_tells_all_details() -> None:
    """A ChatError has code, reason, message, request ID, retry delay and fields."""
    error = await failure(
        fails(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "too many answers at once",
            reason("SERVER_OVERLOADED"),
            retry_after(1, 500_000_000),
            bad_field("params.top_p", "must be at most 1"),
        )
    )
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.reason == "SERVER_OVERLOADED"
    assert error.message == "too many answers at once"
    assert error.request_id == REQUEST_ID
    assert error.retry_after == 1.5
    assert error.fields == (("params.top_p", "must be at most 1"),)
    assert str(error) == (
        "RESOURCE_EXHAUSTED SERVER_OVERLOADED: too many answers at once "
        "(params.top_p: must be at most 1; retry after 1.5 s; request req-7)"
    )


async def test_failure_without_details() -> None:
    """A failure without details has an empty reason and a readable message."""
    error = await failure(fails(grpc.StatusCode.INTERNAL, "broken,\nbadly"))
    assert (error.reason, error.retry_after, error.fields) == ("", None, ())
    assert str(error) == "INTERNAL: broken, badly (request req-7)"


async def test_failure_names_the_request_id_once() -> None:
    """The request ID is not repeated if the status message contains it."""
    error = await failure(fails(grpc.StatusCode.INTERNAL, f"broken, request {REQUEST_ID}"))
    assert str(error) == f"INTERNAL: broken, request {REQUEST_ID}"


async def test_ignores_the_reason_of_other_domains() -> None:
    """The reason of an ErrorInfo of another domain is ignored."""
    foreign = ErrorInfo(domain="googleapis.com", reason="API_DISABLED")
    error = await failure(fails(grpc.StatusCode.INTERNAL, "broken", foreign))
    assert error.reason == ""


async def test_survives_broken_details() -> None:
    """Details that cannot be decoded do not affect code and message."""
    error = await failure(fails_raw(grpc.StatusCode.INTERNAL, "broken", b"\xff\xff\xff"))
    assert (error.code, error.message) == (grpc.StatusCode.INTERNAL, "broken")


async def test_remote_cancellation_is_an_error() -> None:
    """A call that the server cancels raises ChatError, not CancelledError."""
    error = await failure(fails(grpc.StatusCode.CANCELLED, "went away"))
    assert error.code is grpc.StatusCode.CANCELLED


async def test_undecodable_answer_is_an_error() -> None:
    """A message that does not parse raises ChatError instead of ending the answer early."""

    async def send(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"\xff\xff\xff"

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(send)
    server = grpc.aio.server()
    server.add_registered_method_handlers("openai.Chatgpt", {"Send": handler})
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("openai.Chatgpt", {"Send": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Client(f"127.0.0.1:{port}") as client:
        with pytest.raises(ChatError, match="not a valid Answer"):
            await collect(client.send("hi"), [])
    await server.stop(None)


async def test_refused_connection_is_an_error() -> None:
    """An address where nothing listens raises ChatError UNAVAILABLE."""
    async with ScriptedServer(says()) as server:
        address = server.address
    async with Client(address) as client:
        with pytest.raises(ChatError) as caught:
            await collect(client.send("hi"), [])
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert caught.value.reason == ""


async def test_timeout_is_the_deadline() -> None:
    """A timeout is sent to the server and ends the call with DEADLINE_EXCEEDED."""
    async with ScriptedServer(hangs_after()) as server, Client(server.address) as client:
        with pytest.raises(ChatError) as caught:
            await collect(client.send("hi", timeout=0.2), [])
        await server.cancelled.wait()
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_keeps_every_piece_before_a_failure() -> None:
    """A slow reader gets all pieces that were sent before a failure."""
    pieces = [str(number) for number in range(1000)]
    all_sent = asyncio.Event()

    async def script(_request: Message, context: Context) -> AsyncIterator[Answer]:
        for piece in pieces:
            yield Answer(content=piece)
        all_sent.set()
        await context.abort(grpc.StatusCode.ABORTED, "broken")

    got: list[str] = []
    async with ScriptedServer(script) as server, Client(server.address) as client:
        stream = client.send("hi")
        got.append((await anext(stream)).content)
        await all_sent.wait()
        with pytest.raises(ChatError):
            await collect(stream, got)
    assert got == pieces


def test_error_survives_pickling() -> None:
    """Pickling a ChatError preserves all its attributes."""
    error = ChatError(grpc.StatusCode.ABORTED, "m", "R", "id", 2.0, (("f", "d"),))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled on the same line
    assert vars(copy) == vars(error)
