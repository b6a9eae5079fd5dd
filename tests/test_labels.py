"""Labels of a request: they are on the log line of the call, and nowhere else."""

import grpc
import pytest

from support.app import StartApp
from support.helpers import failure_of, violated_fields_of
from support.log_stream import captured
from support.quirks import STOP, Got, player, response, text
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
LONGEST = {"tenant": "t" * (1_024 - len("tenant"))}


@pytest.mark.parametrize("method", ["Send", "Ask", "CountTokens"])
async def test_the_log_line_has_the_labels(start_app: StartApp, method: str) -> None:
    """The line has every label; the characters that JSON escapes come back as they were."""
    labels = {"tenant": "a\n\u2028\x00\"b'", "Ticket.7_x-1": ""}
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = getattr(chatgpt_pb2_grpc.ChatgptStub(channel), method)
            message = pb.Message(content="hello", labels=labels)
            if method == "Send":
                assert [answer async for answer in call(message)]
            else:
                await call(message)
        entry = await stream.entry("call ended")
    assert entry["labels"] == labels
    assert entry["code"] == "OK"


@pytest.mark.parametrize(
    "labels",
    [LONGEST, {"tenant": "\x00" * 1_000}, {f"name-{n}": "x" for n in range(16)}],
    ids=["longest", "control characters", "most"],
)
async def test_the_largest_labels_leave_room_for_the_line(
    start_app: StartApp, labels: dict[str, str]
) -> None:
    """A line with the largest labels still has its other fields."""
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            await stub.Ask(pb.Message(content="hello", labels=labels))
        entry = await stream.entry("call ended")
    assert entry["labels"] == labels
    assert entry["method"] == "Ask"


INVALID: dict[str, dict[str, str]] = {
    "17 labels": {f"name-{n}": "x" for n in range(17)},
    "2,000 labels": {f"name-{n}": "x" for n in range(2_000)},
    "an empty name": {"": "x"},
    "a name of 65 characters": {"n" * 65: "x"},
    "a name with a space": {"a b": "x"},
    "a name with a line feed": {"tenant\n": "x"},
    "a name outside of ASCII": {"größe": "x"},
    "1,025 bytes": {"tenant": LONGEST["tenant"] + "t"},
    "1,025 bytes of few characters": {"tenant": "é" * 510},
}


@pytest.mark.parametrize("labels", INVALID.values(), ids=INVALID.keys())
async def test_invalid_labels(labels: dict[str, str]) -> None:
    """Labels out of bounds are rejected by name, and the upstream is not asked."""
    async with player() as upstream:
        got = await upstream.play(
            response(text("x"), STOP), pb.Message(content="hello", labels=labels)
        )
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
        assert upstream.error
        assert violated_fields_of(upstream.error) == ["labels"]


async def test_a_rejected_call_has_its_labels_too(start_app: StartApp) -> None:
    """The line of a call with another invalid field has the labels."""
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            message = pb.Message(content="", labels={"tenant": "a"})
            await failure_of(stub.Send(message))
        entry = await stream.entry("call ended")
    assert (entry["reason"], entry["labels"]) == ("EMPTY_PROMPT", {"tenant": "a"})


async def test_the_upstream_does_not_receive_labels() -> None:
    """The body of the upstream's request has no label."""
    async with player() as upstream:
        message = pb.Message(content="hello", labels={"tenant": "canary"})
        assert await upstream.play(response(text("x"), STOP), message) == Got("x")
        assert b"canary" not in upstream.upstream.body
