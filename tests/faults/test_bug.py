"""Row 45: bugs in this service or in a model's library."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from support.helpers import details_of, reason_of
from support.world import World, assert_clean, open_world
from tokenwire import components, offer
from tokenwire.config import Settings
from tokenwire.core.call_record import CallRecord
from tokenwire.core.chat_model import ChatModel
from tokenwire.core.domain import AnswerStream, ChatRequest
from tokenwire.observability.logs import call_log
from tokenwire.upstreams import Models, build_models
from tokenwire.v1 import chatgpt_pb2 as pb

INTERNAL = grpc.StatusCode.INTERNAL
REQUEST_ID = "request-45"


class Bugs:
    """The function that BuggyModel calls to raise an exception, and when it calls it."""

    def __init__(self) -> None:
        self.raise_: Callable[[], None] = lambda: None
        self.after_a_token = False


class BuggyModel:
    """A model that raises an exception, before or after its first token."""

    def __init__(self, model: ChatModel, bugs: Bugs) -> None:
        self._model = model
        self._bugs = bugs

    async def stream(self, request: ChatRequest, call: CallRecord) -> AnswerStream:
        async with aclosing(self._model.stream(request, call)) as answer:
            async for event in answer:
                if not self._bugs.after_a_token:
                    self._bugs.raise_()
                yield event
                self._bugs.raise_()

    async def aclose(self) -> None:
        await self._model.aclose()


@pytest.fixture
def bugs() -> Bugs:
    return Bugs()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch, bugs: Bugs) -> AsyncIterator[World]:
    def build(settings: Settings) -> Models:
        return Models(BuggyModel(build_models(settings).chat, bugs))

    monkeypatch.setattr(offer, "build_models", build)
    async with open_world(monkeypatch) as opened:
        yield opened


def exhaust_the_stack() -> None:
    exhaust_the_stack()


def raiser(kind: type[BaseException], *more: object) -> Callable[[], None]:
    def raise_() -> None:
        # Raise a new exception each time, because it keeps its traceback's frames alive.
        raise kind("canary", *more)

    return raise_


SURPRISES: dict[str, Callable[[], None]] = {
    "an error": raiser(RuntimeError),
    "a timeout": raiser(TimeoutError),
    "an end of iteration": raiser(StopAsyncIteration),
    "a group of errors": raiser(ExceptionGroup, [ValueError("canary")]),
    "a group with a cancellation": raiser(BaseExceptionGroup, [asyncio.CancelledError("canary")]),
    "a cancellation that is not the caller's": raiser(asyncio.CancelledError),
    "an exit": raiser(SystemExit),
    "an abort of gRPC's": raiser(grpc.aio.AbortError),
    "an error of gRPC's own": raiser(grpc.aio.InternalError),
    "an endless recursion": exhaust_the_stack,
    "no memory": raiser(MemoryError),
}


def bugs_in(log: str) -> list[dict[str, Any]]:
    """Return the log entries above the level "info", except those of calls."""
    entries = [json.loads(line) for line in log.splitlines()]
    alarming = [entry for entry in entries if entry["level"] not in ("debug", "info")]
    return [entry for entry in alarming if entry["event"] != "call ended"]


@pytest.mark.parametrize("after_a_token", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("surprise", SURPRISES)
async def test_row_45_a_bug(
    world: World, bugs: Bugs, surprise: str, *, after_a_token: bool
) -> None:
    """After any exception, the caller gets a fixed status, and one log entry has the frames."""
    bugs.raise_ = SURPRISES[surprise]
    bugs.after_a_token = after_a_token
    # The deadline ends the test if the call hangs.
    answers, error = await world.ended(
        world.send(timeout=10, metadata=(("x-request-id", REQUEST_ID),))
    )
    assert error is not None
    assert (error.code(), reason_of(error)) == (INTERNAL, "INTERNAL")
    assert error.details() == f"This service failed. Request id: {REQUEST_ID}."
    assert details_of(error).message == error.details()
    assert bool(answers) is after_a_token
    assert [answer.error for answer in answers[1:]] == ["INTERNAL"] * after_a_token
    assert_clean(error.trailing_metadata(), error.initial_metadata())
    await world.check(INTERNAL, "INTERNAL")
    [entry] = bugs_in(world.log.getvalue())
    assert (entry["event"], entry["request_id"]) == ("bug in handler", REQUEST_ID)
    assert any("relay.py" in frame for frame in entry["frames"])
    assert len(entry["frames"]) < 50
    bugs.raise_ = lambda: None
    await world.succeeds("answer")


async def test_row_45_a_bug_in_what_follows_a_call(
    monkeypatch: pytest.MonkeyPatch, bugs: Bugs
) -> None:
    """A call whose answer was delivered succeeds even if logging it fails."""
    log_call = call_log.log_call

    def log_buggily(call: CallRecord) -> None:
        bugs.raise_()
        log_call(call)

    monkeypatch.setattr(components, "log_call", log_buggily)
    async with open_world(monkeypatch) as world:
        bugs.raise_ = SURPRISES["an error"]
        answers = await world.succeeds("answer")
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        [entry] = bugs_in(world.log.getvalue())
        assert entry["exception"] == "RuntimeError"
