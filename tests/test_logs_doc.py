"""docs/logs.md lists exactly the fields of every log line."""

import json
import signal
from typing import Any

import grpc
import pytest

from support.app import MODEL, StartApp
from support.helpers import collect, failure_of
from support.log_stream import captured
from support.logs_doc import ANY, DOCUMENT, documented_fields, documented_lines, logged_lines
from support.process import ServerProcess
from tokenwire.observability.logs.handler import DROPPED, UNRENDERED
from tokenwire.observability.logs.libraries import WITHHELD
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

COMMON = {"event", "level", "logger", "timestamp", "trace_id", "span_id", "worker", "characters"}
KILLED = {"worker", "pid", "silent_seconds"}
NO_CONSTANT = {
    DROPPED: {"lines", "reasons"},
    UNRENDERED: {"exception"},
    "worker does not answer": KILLED,
    "worker does not end": KILLED,
}
"""Lines that the handler generates itself, or whose event is passed as an argument."""
TYPES = {
    "string": str,
    "string or integer": str | int,
    "integer": int,
    "number": int | float,
    "list of strings": list,
    "object": dict,
    "boolean": bool,
}


def test_every_line_is_documented() -> None:
    """The document lists exactly the lines that the code logs, each with exactly its fields."""
    logged = logged_lines() | NO_CONSTANT
    assert logged.pop(ANY) == KILLED
    # Passed on as a keyword argument.
    logged["worker not started"].add("restart_in_seconds")
    assert documented_lines() == logged


def test_every_field_is_documented() -> None:
    """The document explains exactly the fields of these lines, with a type for each."""
    used = {field for fields in documented_lines().values() for field in fields}
    fields = documented_fields()
    assert set(fields) == used | COMMON | {"where", "exception", "frames"}
    assert set(fields.values()) <= set(TYPES)


def assert_documented(entry: dict[str, Any]) -> None:
    """Assert that a line has only documented fields, with the documented types."""
    fields = documented_lines()[entry["event"]]
    assert set(entry) <= fields | COMMON
    for name, value in entry.items():
        assert isinstance(value, TYPES[documented_fields()[name]]), name


@pytest.mark.parametrize(
    ("plan", "message", "level", "blame"),
    [
        ("answer", "hello", "info", None),
        ("status 503", "hello", "warning", "upstream"),
        ("tokens 2; reset", "hello", "warning", "upstream"),
        ("status 401", "hello", "warning", "service"),
        ("status 413", "hello", "info", "caller"),
        ("answer", "", "info", "caller"),
    ],
)
async def test_calls_are_as_documented(  # noqa: PLR0913, PLR0917 - a table's columns
    start_app: StartApp, upstream: DemoUpstream, plan: str, message: str, level: str, blame: str
) -> None:
    """The level of a call's line shows who has to act, and its fields have the documented types."""
    upstream.script(plan, plan)
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content=message))
            await (collect(call) if level == "info" and blame is None else failure_of(call))
        entry = await stream.entry("call ended")
    assert (entry["level"], entry.get("blame")) == (level, blame)
    assert_documented(entry)


@pytest.mark.parametrize(
    ("plan", "seconds", "level"),
    [("stall", 3, "warning"), ("stall", 1, "info"), ("tokens 1; stall", 3, "info")],
)
async def test_a_deadline_is_a_warning_if_the_upstream_was_late(
    start_app: StartApp, upstream: DemoUpstream, plan: str, seconds: float, level: str
) -> None:
    """A call that expires is a warning only if its first token is later than the objective."""
    upstream.script(plan)
    with captured() as stream:
        app = await start_app()
        async with grpc.aio.insecure_channel(app.address) as channel:
            stub = chatgpt_pb2_grpc.ChatgptStub(channel)
            await failure_of(stub.Send(pb.Message(content="hello"), timeout=seconds))
        entry = await stream.entry("call ended")
    assert (entry["code"], entry["level"]) == ("DEADLINE_EXCEEDED", level)
    assert_documented(entry)


async def test_a_process_logs_what_is_documented(upstream: DemoUpstream) -> None:
    """All lines that a server with workers logs have the documented fields and types."""
    env = {
        "OPENAI_BASE_URL": upstream.base_url,
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_MODLE": "typing error",
        "TOKENWIRE_DRAIN_SECONDS": "0",
    }
    async with ServerProcess("--workers", "2", env=env) as server:
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
    entries = [json.loads(line) for line in server.log_lines]
    assert {"variable has no effect", "worker serving", "exit"} <= {
        each["event"] for each in entries
    }
    for entry in entries:
        assert_documented(entry)


def test_the_librarys_line_is_named() -> None:
    """The row for other lines names the event of withheld lines."""
    assert f"`{WITHHELD}`" in DOCUMENT.read_text("utf-8")
