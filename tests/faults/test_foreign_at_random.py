"""Row 49: distinct texts over reused connections, on which the upstream misbehaves at random.

`make chaos` uses new seeds. `CHAOS_SEED=7` draws the faults of seed 7 again.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

import grpc
import msgspec
import pytest
import trustme
import uvloop

from support.app import MODEL, StartApp
from support.helpers import text_of
from support.keepalive_upstream import (
    CHUNKED,
    END,
    LAST_CHUNK,
    KeepAliveUpstream,
    Line,
    chunk,
    events,
    keepalive_upstream,
    sized,
    whole,
)
from support.seeds import seeds
from tokenwire.core import errors
from tokenwire.core.attempts import Attempts
from tokenwire.upstreams.http.client import HttpClient
from tokenwire.upstreams.openai.endpoint import Credentials
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

CALLS: Final = {False: 3_500, True: 1_500}
"""Without and with TLS, on each of two event loops: 10,000 in all."""
CALLS_OF_SERVER: Final = 1_000
AT_ONCE: Final = 25
SECONDS: Final = 20.0
LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Ask: TypeAlias = Callable[[str], Coroutine[Any, Any, tuple[str, str]]]
"""Requests an answer with the given text; returns the text received and how the call ended."""

STRAYS: Final[tuple[Callable[[str], bytes], ...]] = (
    whole,
    sized,
    lambda _: CHUNKED,
    lambda _: CHUNKED[:-20],
    lambda _: b"H",
    lambda content: CHUNKED + chunk(events(content)),
    lambda content: chunk(events(content)) + chunk(END) + LAST_CHUNK,
    lambda _: b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    lambda _: b"HTTP/1.1 100 Continue\r\n\r\n",
    lambda _: b"\r\n",
    lambda _: b"garbage",
)
"""Stray bytes. They contain the text of the previous caller where they contain any."""


at_random: Final = pytest.mark.parametrize("seed", seeds(49), ids="seed-{}".format)


class Misbehaviour:
    """Answers each request with its own text, and misbehaves on the connection."""

    def __init__(self, drawn: int) -> None:
        self._random = random.Random(drawn)  # noqa: S311 - not a secret

    async def __call__(self, line: Line, content: str) -> None:
        """Answer one request."""
        draw = self._random
        if line.reused and draw.random() < 0.1:
            draw.choice((line.close, line.reset))()
            return
        response = draw.choice((whole, sized))(content)
        if draw.random() < 0.1:
            response = b"HTTP/1.1 429 No\r\ncontent-length: 2000\r\n\r\n{}"
        if draw.random() < 0.1:
            await line.send(response[: draw.randrange(len(response))])
            line.reset()
            return
        # The end arrives alone or with the rest, and stray bytes may arrive with it.
        stray = draw.choice(STRAYS)(content) if draw.random() < 0.4 else b""
        at_end = draw.randrange(len(stray) + 1) if stray else 0
        if draw.random() < 0.7:
            at = draw.randrange(1, len(response))
            await line.send(response[:at])
            response = response[at:]
        await line.send(response + stray[:at_end])
        if stray[at_end:]:
            await asyncio.sleep(draw.choice((0.0, 0.0, 0.001, 0.003)))
            if not line.is_asked():
                # Later bytes would be a valid response to the next request.
                await line.send(stray[at_end:])


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections be reused even after stray bytes."""
    monkeypatch.setattr("tokenwire.upstreams.http.pool.NO_REUSE_SECONDS", 0.0)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@at_random
def test_row_49_at_random(
    seed: int, loop: str, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    """No answer contains bytes of another one, on both event loops, without and with TLS."""
    context = None
    if tls:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)

    async def main() -> None:
        async with keepalive_upstream(context) as raw:
            raw.behave = Misbehaviour(seed)
            upstream = Upstream(raw.base_url, Credentials(), HttpClient(SECONDS, None))
            endings = await ask_all(CALLS[tls], lambda content: text_from(upstream, content))
            await upstream.aclose()
        check(raw, endings)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


@at_random
async def test_row_49_at_random_through_the_server(seed: int, start_app: StartApp) -> None:
    """No answer contains bytes of another one for callers of the server either."""
    async with keepalive_upstream() as raw:
        raw.behave = Misbehaviour(seed)
        app = await start_app(base_url=raw.base_url)
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub: chatgpt_pb2_grpc.ChatgptAsyncStub = chatgpt_pb2_grpc.ChatgptStub(channel)

            async def ask(content: str) -> tuple[str, str]:
                answers: list[pb.Answer] = []
                try:
                    async for answer in stub.Send(pb.Message(content=content)):
                        answers.append(answer)  # noqa: PERF401 - those before a failure are kept
                except grpc.aio.AioRpcError as error:
                    return text_of(answers), error.code().name
                return text_of(answers), "OK"

            endings = await ask_all(CALLS_OF_SERVER, ask)
        check(raw, endings)


async def ask_all(calls: int, ask: Ask) -> Counter[str]:
    """Make `calls` calls, AT_ONCE at a time; return how they ended."""
    endings: Counter[str] = Counter()
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            content = f"<text-{number}>"
            async with asyncio.timeout(SECONDS):
                text, ending = await ask(content)
            endings[ending] += 1
            # A call may fail before the text but not within it, because the text is one event.
            assert text in ((content,) if ending == "OK" else (content, "")), (content, ending)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(caller())
    return endings


async def text_from(upstream: Upstream, content: str) -> tuple[str, str]:
    """Return the text of an answer and how it ended."""
    payload = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
    text, finished = "", False
    try:
        with await upstream.open(payload, Attempts()) as events:
            while (batch := await events.read()) is not None:
                for event in batch:
                    choice = msgspec.json.decode(event.data)["choices"][0]
                    text += choice["delta"].get("content", "")
                    finished = "finish_reason" in choice
    except errors.ServiceError as error:
        return text, error.reason
    return text, "OK" if finished else "TRUNCATED"


def check(raw: KeepAliveUpstream, endings: Counter[str]) -> None:
    """Assert that most calls succeeded, and that enough of them reused a connection."""
    reused = sum(len(line.requests) - 1 for line in raw.lines)
    calls = endings.total()
    print(f"{endings}, {reused} requests on reused connections")  # noqa: T201 - for a failure
    assert endings["OK"] > calls / 2
    assert reused > calls / 10
