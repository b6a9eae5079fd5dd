"""Providers that nobody answers for, that stall, and callers that leave."""

import asyncio
import re
import socket
import time
from contextlib import suppress

import grpc
import pytest

from support.app import MODEL
from support.helpers import collect, failure_of, reason_of, text_of
from support.leaving import promptly
from support.listening import listening
from support.providers import select
from support.quirks import Got, Player
from support.raw_upstream import Pause
from support.wire import Wire
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

ABORTED = grpc.StatusCode.ABORTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


async def test_nothing_listens(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upstream that refuses connections is unreachable."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    select(wire, f"http://127.0.0.1:{port}", monkeypatch)
    loaded = config.load(
        provider=wire.name, model=MODEL, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers, error = await failure_of(stub.Send(pb.Message(content="hello")))
    assert (answers, error.code(), reason_of(error)) == ([], UNAVAILABLE, "UPSTREAM_UNREACHABLE")


async def test_a_stall(wire: Wire, impatient: Player) -> None:
    """An upstream that stalls is given up, before the headers, the first token and later."""
    forever = asyncio.Event()
    for pieces in ([forever], wire.answer(forever), wire.answer(*wire.body(), forever)):
        got = await impatient.play(pieces)
        assert got == Got("", "UPSTREAM_TIMEOUT", UNAVAILABLE)
    got = await impatient.play(wire.answer(*wire.body("half"), forever))
    assert got == Got("half", "UPSTREAM_IDLE_TIMEOUT", ABORTED)


async def test_a_stall_after_the_end(wire: Wire, upstream: Player) -> None:
    """A connection that stays open after the end of the answer does not delay it."""
    got = await upstream.play(wire.answer(*wire.body("all"), wire.end(), asyncio.Event()))
    assert got == Got("all", usage=(3, 2, 0, 0))


async def test_reasoning_is_progress(wire: Wire, impatient: Player) -> None:
    """Reasoning moves the time limits, is never text, and is shown on demand."""
    pause = Pause(0.3)
    body = wire.answer(*[each for _ in range(5) for each in (wire.thought("hm "), pause)])
    whole = [*body, *wire.body("42"), wire.end()]
    assert await impatient.play(whole) == Got("42", usage=(3, 2, 0, 0))
    assert "".join(answer.reasoning for answer in impatient.answers) == ""
    shown = pb.Message(content="hello", reasoning=pb.Reasoning(show=True))
    await impatient.play(whole, shown)
    assert "".join(answer.reasoning for answer in impatient.answers) == "hm " * 5
    got = await impatient.play([*body, asyncio.Event()])
    assert got == Got("", "UPSTREAM_IDLE_TIMEOUT", ABORTED)


@pytest.mark.parametrize("texts", [(), ("half",)], ids=["before the text", "after text"])
async def test_a_caller_that_leaves(
    wire: Wire, texts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the caller cancels, the connection to the upstream is closed within 50 ms."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for each in wire.answer(*wire.body(*texts)):
            assert isinstance(each, bytes)
            writer.write(each)
        asked.set()
        while await reader.read(1 << 16):
            pass
        left.set()

    async with listening(answer) as (host, port):
        select(wire, f"http://{host}:{port}", monkeypatch)
        loaded = config.load(
            provider=wire.name, model=MODEL, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
        )
        async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:

            async def leave() -> float:
                asked.clear()
                left.clear()
                call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
                reading = asyncio.ensure_future(call.read())
                await asked.wait()
                if texts:
                    await reading
                call.cancel()
                started = time.monotonic()
                with suppress(asyncio.CancelledError):
                    await reading
                await left.wait()
                return time.monotonic() - started

            await promptly(leave)


async def test_a_connection_is_used_again(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers one after the other share a connection, and one that dies idle is replaced."""
    connections: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        pieces = [each for each in (*wire.body("hi"), wire.end()) if isinstance(each, bytes)]
        for _ in range(3):
            head = await reader.readuntil(b"\r\n\r\n")
            connections[-1] += 1
            [length] = re.findall(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for each in (*pieces, b""):
                writer.write(b"%x\r\n%b\r\n" % (len(each), each))
            await writer.drain()

    async with listening(answer) as (host, port):
        select(wire, f"http://{host}:{port}", monkeypatch)
        loaded = config.load(
            provider=wire.name, model=MODEL, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
        )
        async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            for _ in range(4):
                assert text_of(await collect(stub.Send(pb.Message(content="hello")))) == "hi"
    assert connections == [3, 1]
