"""The OpenTelemetry variables: which are used, and which are rejected by name."""

import pytest

from support.process import FREE_PORTS, run_tokenwire
from tokenwire.config import SettingsError, load
from tokenwire.observability.traces.telemetry import Telemetry

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
EXPORTER = "OTEL_TRACES_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"
URL = "http://127.0.0.1:1"
UPSTREAM = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


USED: list[tuple[dict[str, str], tuple[str, ...], str]] = [
    ({}, (), "grpc"),
    ({ENDPOINT: URL}, ("otlp",), "grpc"),
    ({TRACES_ENDPOINT: URL}, ("otlp",), "grpc"),
    ({ENDPOINT: URL, PROTOCOL: "HTTP/Protobuf"}, ("otlp",), "http/protobuf"),
    ({ENDPOINT: URL, PROTOCOL: "http/json", TRACES_PROTOCOL: "grpc"}, ("otlp",), "grpc"),
    ({EXPORTER: "otlp"}, ("otlp",), "grpc"),
    ({EXPORTER: "otlp,console"}, ("otlp", "console"), "grpc"),
    ({EXPORTER: " Console , otlp, console"}, ("console", "otlp"), "grpc"),
    ({EXPORTER: "none", ENDPOINT: URL}, (), "grpc"),
    ({DISABLED: "TRUE", ENDPOINT: URL}, (), "grpc"),
    ({DISABLED: "1", ENDPOINT: URL}, ("otlp",), "grpc"),
    ({DISABLED: "perhaps", ENDPOINT: URL}, ("otlp",), "grpc"),
    # Variables that are not used are not validated.
    ({PROTOCOL: "http/json"}, (), "http/json"),
    ({EXPORTER: "console", ENDPOINT: "collector:4317", PROTOCOL: "x"}, ("console",), "x"),
    ({DISABLED: "true", EXPORTER: "zipkin", ENDPOINT: "collector:4317"}, (), "grpc"),
    ({ENDPOINT: "collector:4317", TRACES_ENDPOINT: URL}, ("otlp",), "grpc"),
]


def test_what_is_used(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """The variables work as OpenTelemetry specifies, and unused ones are not validated."""
    for variables, exporters, protocol in USED:
        with (
            subtests.test(variables=variables, exporters=exporters, protocol=protocol),
            monkeypatch.context() as patched,
        ):
            for name, value in (UPSTREAM | dict(variables)).items():
                patched.setenv(name, value)
            loaded = load()
            assert loaded.span_exporters == exporters
            assert loaded.span_protocol == protocol


REFUSED = [
    ({ENDPOINT: "collector:4317"}, ENDPOINT, "must begin with http:// or https://"),
    ({ENDPOINT: "canary:4711@collector:4317"}, ENDPOINT, "must begin with http://"),
    ({TRACES_ENDPOINT: "grpc://collector:4317"}, TRACES_ENDPOINT, "must begin with http://"),
    ({ENDPOINT: "http://"}, ENDPOINT, "name a host"),
    ({ENDPOINT: "http://collector:port"}, ENDPOINT, "must begin with http://"),
    ({EXPORTER: "otlp", ENDPOINT: "//{x}"}, ENDPOINT, "must begin with http://"),
    ({ENDPOINT: URL, PROTOCOL: "http/json"}, PROTOCOL, "must be grpc or http/protobuf"),
    ({ENDPOINT: URL, TRACES_PROTOCOL: "udp"}, TRACES_PROTOCOL, "must be grpc or http/protobuf"),
    ({EXPORTER: "otlp,zipkin"}, EXPORTER, "must be otlp, console, or both"),
    ({EXPORTER: "none,console"}, EXPORTER, "must be otlp, console, or both"),
]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """An invalid value that would be used is reported with its variable and the allowed values."""
    for variables, name, allowed in REFUSED:
        with (
            subtests.test(variables=variables, name=name, allowed=allowed),
            monkeypatch.context() as patched,
        ):
            for variable, value in (UPSTREAM | dict(variables)).items():
                patched.setenv(variable, value)
            with pytest.raises(SettingsError) as caught:
                load()
            [problem] = caught.value.problems
            assert problem.startswith(f"{name}=")
            assert allowed in problem
            assert "canary" not in problem


REFUSED_BY_THE_SDK = [
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "canary"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "canary"),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "canary"),
]


def test_what_only_the_sdk_refuses(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A value that the SDK does not accept is reported in one line, without the value."""
    for name, value in REFUSED_BY_THE_SDK:
        with subtests.test(name=name, value=value), monkeypatch.context() as patched:
            for variable, text in (UPSTREAM | {ENDPOINT: URL, name: value}).items():
                patched.setenv(variable, text)
            with pytest.raises(SettingsError) as caught:
                Telemetry(load(), on_dropped=lambda *_: None)
            [problem] = caught.value.problems
            assert name in problem
            assert "canary" not in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [(ENDPOINT, "collector:4317"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000000")],
)
async def test_the_process_says_so_and_exits(name: str, value: str) -> None:
    """`serve` exits with code 2 and prints one line about the variable."""
    ended = await run_tokenwire("serve", env=UPSTREAM | {ENDPOINT: URL, name: value})
    assert ended.code == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("tokenwire: ")
    assert name in line


@pytest.mark.parametrize("command", [("serve", "--demo"), ("serve", "--demo", "--workers", "2")])
@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_PROPAGATORS", "tracecontext,canary"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-5")],
)
async def test_what_fails_as_it_is_imported(
    command: tuple[str, ...], name: str, value: str
) -> None:
    """A propagator that is not installed is also reported in one line, without a traceback."""
    ended = await run_tokenwire(*command, env={**FREE_PORTS, name: value})
    assert ended.code == 2
    line = ended.stderr.splitlines()[-1]
    assert line.startswith(f"tokenwire: {name}: the OpenTelemetry SDK does not accept")
    assert "canary" not in ended.stderr


async def test_the_demo_says_so_too() -> None:
    """`demo` reports the same error with the same exit code."""
    ended = await run_tokenwire("demo", env={"OTEL_PROPAGATORS": "canary"})
    assert ended.code == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("tokenwire: OTEL_PROPAGATORS: ")
