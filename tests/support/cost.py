"""The cost of relaying a token, in counts that are the same on every machine.

Run as a program, it records the counts: `make record-costs`.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from support.listening import listening
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

ROUNDS = 8
RECORD = Path(__file__).parents[1] / "cost.json"
SERVER = Path(__file__).with_name("cost_server.py")

WARM = 30
SINGLE = 200
BLOCKS = 20
BLOCK = 100
"""The events of a block, which are small enough to arrive in one read."""
CALLS = 30
CROWD = 100
"""The calls that begin at once, as many as one connection carries."""

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
CHUNK = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1741569952,'
    '"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_b8bc95a0ac","choices":'
    '[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}],"usage":null}\n\n'
)
EVENT = (CHUNK % ('{"content":" word"}', "null")).encode()
END = (CHUNK % ("{}", '"stop"')).encode() + b"data: [DONE]\n\n"


class Upstream:
    """An upstream that writes events only on request, so that nothing depends on time."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self.base_url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Upstream"]:
        """Listen on a free port."""
        async with listening(self._answer) as (host, port):
            self.base_url = f"http://{host}:{port}/v1"
            yield self

    async def request(self) -> asyncio.StreamWriter:
        """Wait for the next request; return the writer of its response."""
        return await self._asked.get()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(HEAD)
        await self._asked.put(writer)
        await writer.wait_closed()


@dataclass(frozen=True)
class Count:
    """The counts of the server at one moment."""

    calls: int
    blocks: int


class CountedServer:
    """The server, in a separate process so that nothing else is counted."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        """Return the next line of the server's output."""
        assert self._process.stdout
        return (await self._process.stdout.readline()).decode()

    async def count(self) -> Count:
        """Return the current counts."""
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        return Count(**json.loads(await self.line()))


@asynccontextmanager
async def counted_server(base_url: str) -> AsyncIterator[tuple[CountedServer, str]]:
    """Start the server in front of an upstream; yield it and its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        SERVER,
        env={"PATH": os.environ["PATH"], "OPENAI_BASE_URL": base_url, "PYTHONHASHSEED": "0"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        server = CountedServer(process)
        yield server, (await server.line()).strip()
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


class Relay:
    """One answer that the server relays."""

    def __init__(
        self,
        call: grpc.aio.UnaryStreamCall[pb.Message, pb.Answer],
        writer: asyncio.StreamWriter,
    ) -> None:
        self._call = call
        self._writer = writer
        self.messages = 0

    async def pass_on(self, tokens: int) -> None:
        """Write `tokens` events at once, and read until all their text has arrived."""
        self._writer.write(EVENT * tokens)
        while tokens > 0:
            tokens -= (await self._read()).content.count(" ")
            self.messages += 1

    async def end(self) -> None:
        """End the answer."""
        self._writer.write(END)
        self._writer.close()
        assert (await self._read()).finish_reason
        assert await self._call.read() is grpc.aio.EOF

    async def _read(self) -> pb.Answer:
        answer = await self._call.read()
        assert isinstance(answer, pb.Answer)
        return answer


async def measure() -> dict[str, float]:
    """Relay fixed answers; return the counts by name."""
    found: dict[str, float] = {}
    async with (
        Upstream().listening() as upstream,
        counted_server(upstream.base_url) as (server, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub: chatgpt_pb2_grpc.ChatgptAsyncStub = chatgpt_pb2_grpc.ChatgptStub(channel)

        async def open_answer() -> Relay:
            call = stub.Send(pb.Message(content="hello"))
            return Relay(call, await upstream.request())

        for name, size, times in (("one by one", 1, SINGLE), ("at once", BLOCK, BLOCKS)):
            relay = await open_answer()
            for _ in range(WARM):
                await relay.pass_on(size)
            before, relay.messages = await server.count(), 0
            for _ in range(times):
                await relay.pass_on(size)
            after = await server.count()
            await relay.end()
            tokens = size * times
            found[f"function calls per token, {name}"] = (after.calls - before.calls) / tokens
            found[f"messages per token, {name}"] = relay.messages / tokens
            found[f"memory blocks kept per token, {name}"] = (after.blocks - before.blocks) / tokens

        before = await server.count()
        for _ in range(CALLS):
            relay = await open_answer()
            await relay.pass_on(1)
            await relay.end()
        after = await server.count()
        found["function calls per call"] = (after.calls - before.calls) / CALLS

        before = await server.count()
        calls = [stub.Send(pb.Message(content="hello")) for _ in range(CROWD)]
        for _ in calls:
            writer = await upstream.request()
            writer.write(EVENT + END)
            writer.close()
        for call in calls:
            assert [answer async for answer in call]
        after = await server.count()
        found["function calls per call, in a crowd"] = (after.calls - before.calls) / CROWD
    return found


async def measure_most() -> dict[str, float]:
    """Return the highest counts of several rounds, because batches of tokens vary a little."""
    rounds = [await measure() for _ in range(ROUNDS)]
    return {name: max(each[name] for each in rounds) for name in rounds[0]}


if __name__ == "__main__":
    rounded = {name: round(value, 3) for name, value in asyncio.run(measure_most()).items()}
    RECORD.write_text(json.dumps(rounded, indent=2) + "\n")
    sys.stdout.write(RECORD.read_text())
