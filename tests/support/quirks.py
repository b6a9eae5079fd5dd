"""Plays literal responses of upstreams to a server, and returns what its caller receives."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from support.app import MODEL
from support.event_runs import assert_runs_change_nothing
from support.helpers import reason_of, text_of
from support.raw_upstream import Piece, RawUpstream, raw_upstream
from tokenwire import config
from tokenwire.app import App
from tokenwire.routing.budget import RETRY_COST
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

DONE = b"data: [DONE]\n\n"


def event(data: Any) -> bytes:
    """Return an event with `data` as JSON."""
    return f"data: {json.dumps(data)}\n\n".encode()


def choice(**fields: Any) -> bytes:
    """Return a chunk whose only choice has these fields."""
    return event({"choices": [fields]})


def delta(**fields: Any) -> bytes:
    """Return a chunk whose delta has these fields."""
    return choice(delta=fields)


def text(content: Any) -> bytes:
    """Return a chunk whose delta has this content: `T` of the tables."""
    return delta(content=content)


def finish(reason: Any) -> bytes:
    """Return a chunk with this finish reason and an empty delta: `F` of the tables."""
    return choice(delta={}, finish_reason=reason)


def usage(**counts: Any) -> bytes:
    """Return a chunk without choices and with this usage."""
    return event({"choices": [], "usage": counts})


STOP = finish("stop") + DONE


def response(
    *body: Piece, status: str = "200 OK", content_type: str = "text/event-stream"
) -> list[Piece]:
    """Return the pieces of a response whose body ends with the connection."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n"
    return [head.encode(), *body]


@dataclass(frozen=True)
class Got:
    """What a caller receives.

    Attributes:
        text: The text of all Answers.
        reason: The finish reason without its prefix, or the reason of the failure.
        code: The status.
        usage: Input, output, cached and reasoning tokens; None if the last Answer has no usage.
        requests: How many requests the upstream received.
    """

    text: str
    reason: str = "STOP"
    code: grpc.StatusCode = grpc.StatusCode.OK
    usage: tuple[int, int, int, int] | None = None
    requests: int = 1


class Player:
    """A server with a full retry budget before an upstream that plays literal responses.

    Attributes:
        upstream: The upstream.
        stub: A client of the server.
        address: The server's address.
        answers: The Answers of the latest call.
        error: How the latest call failed; None if it succeeded.
    """

    def __init__(
        self, upstream: RawUpstream, stub: "chatgpt_pb2_grpc.ChatgptAsyncStub", model: Any
    ) -> None:
        self.upstream = upstream
        upstream.keep_body = True
        self.stub = stub
        self.address = ""
        self.answers: list[pb.Answer] = []
        self.error: grpc.aio.AioRpcError | None = None
        self._model = model

    async def play(self, pieces: Iterable[Piece], message: pb.Message | None = None) -> Got:
        """Play a response to each request of one call; return what the caller received.

        Also checks that reading runs of alike events changes nothing about it.
        """
        pieces = list(pieces)
        assert_runs_change_nothing(pieces)
        for _ in range(RETRY_COST):
            self._model._budget.deposit()
        self.upstream.pieces = pieces
        before = self.upstream.requests
        self.answers = []
        self.error = None
        try:
            async for answer in self.stub.Send(message or pb.Message(content="hello")):
                self.answers.append(answer)
        except grpc.aio.AioRpcError as raised:
            self.error = raised
        requests = self.upstream.requests - before
        said = text_of(self.answers)
        if self.error:
            return Got(said, reason_of(self.error), self.error.code(), None, requests)
        last = self.answers[-1]
        reason = pb.FinishReason.Name(last.finish_reason).removeprefix("FINISH_REASON_")
        return Got(said, reason, usage=_usage(last), requests=requests)


def _usage(last: pb.Answer) -> tuple[int, int, int, int] | None:
    if not last.HasField("usage"):
        return None
    counts = last.usage
    return (
        counts.input_tokens,
        counts.output_tokens,
        counts.cached_input_tokens,
        counts.reasoning_tokens,
    )


@asynccontextmanager
async def player(**settings: Any) -> AsyncIterator[Player]:
    """Start a server and its upstream."""
    async with raw_upstream() as upstream:
        values = {
            "base_url": upstream.base_url,
            "model": MODEL,
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
        }
        async with (
            App(config.load(**(values | settings))) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            player = Player(upstream, chatgpt_pb2_grpc.ChatgptStub(channel), app.components.model)
            player.address = app.address
            yield player
