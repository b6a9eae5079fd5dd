"""A conversation with reasoning, tools and a structured answer, through each wire format."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from support.helpers import collect, ended, failure_of, reason_of
from support.raw_upstream import Piece, RawUpstream, raw_upstream
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tools.conversations import story
from tools.conversations.anthropic import ANTHROPIC
from tools.conversations.bedrock import BEDROCK
from tools.conversations.chat import CHAT
from tools.conversations.google_genai import GOOGLE
from tools.conversations.mistralai import MISTRAL
from tools.conversations.ollama import OLLAMA
from tools.conversations.responses import RESPONSES
from tools.conversations.wire import Wire

pytestmark = pytest.mark.tools

WIRES = [CHAT, RESPONSES, ANTHROPIC, BEDROCK, GOOGLE, MISTRAL, OLLAMA]
REJECTION = b'{"error":{"message":"the former turn is not as it was","type":"invalid_request"}}'


class Script:
    """An upstream that answers the three requests of the conversation, and nothing else.

    A request whose body is not exactly the documented one is rejected with 400, as the providers
    reject a turn without its reasoning.

    Attributes:
        number: The number of the request that is expected, from 0.
    """

    def __init__(self, wire: Wire, upstream: RawUpstream) -> None:
        self._wire = wire
        self._upstream = upstream
        upstream.keep_body = True
        self.number = 0

    def expect(self, number: int) -> None:
        """Answer the next request if it is the one of this number."""
        self.number = number
        self._upstream.pieces = self

    def __iter__(self) -> "Script":
        self._rest = iter(self._pieces())
        return self

    def __next__(self) -> Piece:
        return next(self._rest)

    def _pieces(self) -> list[Piece]:
        body = json.loads(self._upstream.body)
        if body != self._wire.requests[self.number]:
            return [self._head("400 Bad Request", "application/json"), REJECTION]
        answer = self._wire.answers[self.number]
        cuts = range(0, len(answer), 97)
        return [
            self._head("200 OK", self._wire.content_type),
            *(answer[cut : cut + 97] for cut in cuts),
        ]

    @staticmethod
    def _head(status: str, content_type: str) -> bytes:
        return (
            f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n"
        ).encode()


@asynccontextmanager
async def serving(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RawUpstream, Script, "chatgpt_pb2_grpc.ChatgptAsyncStub"]]:
    """Start the upstream and a server before it."""
    async with raw_upstream() as upstream:
        settings = wire.settings | {
            "model": "model-1",
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
        }
        if wire.address:
            variables = {wire.address: upstream.base_url.removesuffix("/v1"), **wire.variables}
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
        else:
            settings["base_url"] = upstream.base_url
        async with (
            App(config.load(**settings)) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            yield upstream, Script(wire, upstream), chatgpt_pb2_grpc.ChatgptStub(channel)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_the_whole_conversation(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream receives exactly the documented bodies, and the caller exactly the answers."""
    async with serving(wire, monkeypatch) as (upstream, script, stub):
        history: list[pb.Turn] = []
        for number, expected in enumerate(wire.received):
            script.expect(number)
            message = story.message(history, last=number == len(wire.received) - 1)
            answers, error = await ended(stub.Send(message))
            assert json.loads(upstream.body) == wire.requests[number]
            assert error is None
            assert story.received(answers) == expected
            head = upstream.head.decode().lower()
            assert head.startswith(f"post {wire.path} http/1.1\r\n")
            for name, value in wire.headers.items():
                assert f"\r\n{name}: {value.lower()}\r\n" in head
            turn = story.turn_of(answers)
            history = history or [pb.Turn(role=pb.ROLE_USER, content=story.QUESTION)]
            results = story.RESULTS if number == 0 else (story.TIME,)
            history.append(turn)
            # The last answer has no calls.
            history += map(story.result, turn.tool_calls, results)
        assert upstream.requests == len(wire.requests)


@pytest.mark.parametrize(
    "wire", [CHAT, RESPONSES, ANTHROPIC, BEDROCK, GOOGLE], ids=lambda wire: wire.name
)
async def test_without_the_state(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that does not return the state is told that the upstream rejects the request."""
    async with serving(wire, monkeypatch) as (upstream, script, stub):
        script.expect(0)
        answers = await collect(stub.Send(story.message([])))
        turn = story.turn_of(answers, with_state=False)
        for call in turn.tool_calls:
            call.state = b""
        results = map(story.result, turn.tool_calls, story.RESULTS)
        history = [pb.Turn(role=pb.ROLE_USER, content=story.QUESTION), turn, *results]
        script.expect(1)
        _, error = await failure_of(stub.Send(story.message(history)))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert reason_of(error) == "UPSTREAM_REJECTED_REQUEST"
        assert upstream.requests == 2
