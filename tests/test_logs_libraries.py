"""Library log lines about conditions that the service reports itself."""

import logging
from unittest import mock

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.call_records import new_call
from support.log_stream import captured
from tokenwire.api.chatgpt.service import SEND
from tokenwire.core.call_record import CallRecord
from tokenwire.observability.logs.handler import LINES_DROPPED
from tokenwire.observability.logs.libraries import BURST, WITHHELD
from tokenwire.server.interceptors.base import Context
from tokenwire.server.interceptors.tracing import TracingInterceptor

CORE = logging.getLogger("grpc._cython.cygrpc")


async def test_a_caller_who_leaves_at_the_end_is_no_error() -> None:
    """An error of gRPC about a status that no caller waits for any more is not logged."""
    with captured("debug") as stream:
        CORE.error(
            "ExecuteBatchError raised in core by servicer method [%s]",
            SEND.path,
            exc_info=RuntimeError('Failed "execute_batch"'),
        )
        assert stream.entries == []


ERRORS = [
    ("Invalid encoding on %s", "metadata is not valid UTF-8"),
    ("Unexpected [%s] raised by", "unexpected exception raised by servicer method"),
    ("Abort error unexpectedly suppressed: %s", "abort error unexpectedly suppressed"),
    ("canary of another version: %s", WITHHELD),
]


async def test_errors_of_grpc_are_heard(subtests: pytest.Subtests) -> None:
    """A gRPC error is logged as a constant event, because gRPC formats values into its message."""
    for message, event in ERRORS:
        with subtests.test(message=message, event=event):
            with captured() as stream:
                CORE.error(message, "canary")
                CORE.error(message % "canary")
                lines = stream.entries
            assert [(line["level"], line["event"]) for line in lines] == [("error", event)] * 2
            assert "canary" not in str(lines)


TEXT = "a constant of the module, and %s"


async def test_a_librarys_text_is_heard_without_values() -> None:
    """The constant text of a library is logged with its location, without the values inserted."""
    value = "canary-value"
    library = logging.getLogger("library")
    with captured() as stream:
        library.warning("a constant")
        library.warning("a constant with %s", value)
        library.warning(TEXT, value)
        library.warning(f"no constant: {value}")
        library.warning(ValueError(value))
        library.warning("a constant with a field", extra={"url": value})
        library.error("a constant for an exception", exc_info=ValueError(value))
        lines = stream.entries
    assert [line["event"] for line in lines] == [
        "a constant",
        "a constant with %s",
        TEXT,
        WITHHELD,
        WITHHELD,
        "a constant with a field",
        "a constant for an exception",
    ]
    assert all("test_logs_libraries.py:" in line["where"] for line in lines)
    assert lines[-1]["exception"] == "ValueError"
    assert "canary" not in stream.getvalue()


async def test_a_library_is_not_heard_without_end() -> None:
    """Each logger has a rate limit; lines over it are counted, and other loggers are unaffected."""
    before = LINES_DROPPED.labels("rate")._value.get()
    with captured() as stream:
        for _ in range(BURST + 10):
            logging.getLogger("library.loud").warning("again")
        logging.getLogger("library.quiet").warning("once")
        logging.getLogger("tokenwire").warning("ours")
        lines = stream.entries
    events = [line["event"] for line in lines]
    assert BURST <= events.count("again") < BURST + 10
    assert {"once", "ours"} < set(events)
    dropped = BURST + 10 - events.count("again")
    assert LINES_DROPPED.labels("rate")._value.get() - before == dropped
    [report] = [line for line in lines if line["event"] == "log lines dropped"]
    assert report["reasons"] == {"rate": report["lines"]}
    assert 1 <= report["lines"] <= dropped


@pytest.mark.parametrize("peer", ["ipv4:127.0.0.1:1234", ""])
async def test_a_caller_who_is_gone_before_the_call_is_no_warning(peer: str) -> None:
    """A call whose peer gRPC no longer knows is traced and causes no log line."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = mock.Mock(invocation_metadata=tuple, peer=lambda: "")
    call = new_call()
    call.peer = peer
    handled: list[object] = []

    async def proceed(_: CallRecord, request: object, __: Context) -> None:
        handled.append(request)

    endpoint = mock.Mock(method=SEND)
    with captured() as stream:
        await TracingInterceptor(provider).wrap(endpoint, proceed)(call, "request", context)
        assert stream.entries == []
    [span] = exporter.get_finished_spans()
    assert span.name == SEND.path
    assert (span.attributes or {}).get("net.peer.ip") == ("127.0.0.1" if peer else None)
    assert handled == ["request"]
