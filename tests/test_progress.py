"""Progress: what a request waits for, reported to callers that ask."""

import asyncio

import grpc
import pytest

from support.helpers import next_of
from support.quirks import DONE, STOP, Got, Player, delta, finish, player, response, text
from support.raw_upstream import Piece
from support.response_events import END, added, created
from support.response_events import event as response_event
from support.response_events import text as response_text
from tokenwire.v1 import chatgpt_pb2 as pb

QUEUED, THINKING = pb.Progress.STAGE_QUEUED, pb.Progress.STAGE_THINKING
ASKS = pb.Message(content="hello", show_progress=True)


def stages_of(upstream: Player) -> list[pb.Progress.Stage.ValueType]:
    """Return the stages in the latest answer, each of which must be alone in its Answer."""
    found: list[pb.Progress.Stage.ValueType] = []
    for answer in upstream.answers:
        if answer.HasField("progress"):
            assert answer == pb.Answer(progress=answer.progress)
            found.append(answer.progress.stage)
    return found


def thought(content: str) -> bytes:
    """Return a chunk with reasoning."""
    return delta(reasoning_content=content)


CHAT: dict[str, tuple[list[bytes], str, list[int]]] = {
    "no reasoning": ([text("x"), STOP], "x", []),
    "reasoning": ([thought("a"), thought("b"), text("x"), STOP], "x", [THINKING]),
    "reasoning and text in one chunk": (
        [delta(reasoning_content="a", content="x"), STOP],
        "x",
        [THINKING],
    ),
    "reasoning between texts": ([text("x"), thought("a"), text("y"), STOP], "xy", []),
    "reasoning alone": ([thought("a"), finish("stop"), DONE], "", [THINKING]),
}


@pytest.mark.parametrize("case", CHAT.values(), ids=CHAT.keys())
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
async def test_thinking_is_reported_once(
    case: tuple[list[bytes], str, list[int]],
    at_once: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The stage comes before the text, once, whether or not the reasoning is shown."""
    body, said, stages = case
    async with player() as upstream:
        pieces = response(b"".join(body)) if at_once else response(*body)
        for show in (False, True):
            message = pb.Message(
                content="hello", show_progress=True, reasoning=pb.Reasoning(show=show)
            )
            assert await upstream.play(pieces, message) == Got(said)
            assert stages_of(upstream) == stages
            if stages:
                assert upstream.answers[0].HasField("progress")
        await upstream.play(pieces)
        assert stages_of(upstream) == []


async def test_thinking_is_reported_while_the_model_thinks() -> None:
    """The caller knows before the first text arrives."""
    async with player() as upstream:
        hold = asyncio.Event()
        upstream.upstream.pieces = response(thought("a"), hold, text("x"), STOP)
        stream = upstream.stub.Send(ASKS)
        assert await next_of(stream) == pb.Answer(progress=pb.Progress(stage=THINKING))
        hold.set()
        assert await next_of(stream) == pb.Answer(content="x")
        stream.cancel()


RESPONSES: dict[str, tuple[list[Piece], list[int]]] = {
    "queued": ([response_event("response.queued", response={}), response_text("x"), END], [QUEUED]),
    "a reasoning item": (
        [
            created(),
            added({"type": "reasoning", "id": "rs_1", "summary": []}),
            response_text("x"),
            END,
        ],
        [THINKING],
    ),
    "neither": ([created(), response_text("x"), END], []),
}


@pytest.mark.parametrize("case", RESPONSES.values(), ids=RESPONSES.keys())
async def test_stages_of_responses(case: tuple[list[Piece], list[int]]) -> None:
    """The responses dialect reports that a request is queued, and that a reasoning item begins."""
    pieces, stages = case
    async with player(dialect="responses") as upstream:
        assert (await upstream.play(response(*pieces), ASKS)).text == "x"
        assert stages_of(upstream) == stages


async def test_stages_in_turn() -> None:
    """A request that was queued and then reasons is reported twice."""
    async with player(dialect="responses") as upstream:
        hold = asyncio.Event()
        upstream.upstream.pieces = response(
            response_event("response.queued", response={}),
            hold,
            added({"type": "reasoning", "id": "rs_1", "summary": []}),
            response_text("x"),
            END,
        )
        stream = upstream.stub.Send(ASKS)
        assert (await next_of(stream)).progress.stage == QUEUED
        hold.set()
        assert (await next_of(stream)).progress.stage == THINKING
        stream.cancel()


async def test_a_report_does_not_count_as_an_answer() -> None:
    """A failure after a report alone is UNAVAILABLE, is retried, and is not reported twice."""
    async with player(dialect="responses") as upstream:
        queued = response_event("response.queued", response={})
        pieces = response(queued, response_event("error", code="server_error", message="x"))
        got = await upstream.play(pieces, ASKS)
        assert got.code is grpc.StatusCode.UNAVAILABLE
        assert got.requests == 2
        assert stages_of(upstream) == [QUEUED]
        assert upstream.answers[-1].error == got.reason


async def test_ask_does_not_report() -> None:
    """`Ask` has one Answer, without progress."""
    async with player() as upstream:
        upstream.upstream.pieces = response(thought("a"), text("x"), STOP)
        answer = await upstream.stub.Ask(ASKS)
        assert answer.content == "x"
        assert not answer.HasField("progress")
