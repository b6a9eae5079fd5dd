"""The sources of settings: defaults, the environment and arguments."""

import ast
from pathlib import Path
from typing import Any

import pydantic
import pytest

import tokenwire
from tokenwire import config
from tokenwire.config import Settings, load
from tokenwire.core.prices import Price

KEY = "sk-canary-4711"

DEFAULTS: dict[str, Any] = {
    "listen": "127.0.0.1:50051",
    "metrics_listen": "127.0.0.1:9464",
    "load_reports": "off",
    "channelz_listen": None,
    "protocols": frozenset(),
    "reflection": "open",
    "tls_certificate_file": None,
    "tls_key_file": None,
    "tls_client_ca_file": None,
    "base_url": None,
    "organization": None,
    "project": None,
    "provider": "openai",
    "model": "gpt-4o-mini",
    "embedding_model": None,
    "models": frozenset(),
    "config": None,
    "status_token": None,
    "temperature": None,
    "system_prompt": "",
    "max_tokens_parameter": "auto",
    "dialect": "auto",
    "reasoning_parameter": "reasoning_effort",
    "constraint_parameter": "none",
    "tokenizer": "none",
    "stream_usage": True,
    "proxy": None,
    "merge_tokens": True,
    "connect_timeout_seconds": 5,
    "first_token_timeout_seconds": 60,
    "idle_timeout_seconds": 30,
    "stream_timeout_seconds": 900,
    "reader_timeout_seconds": 20,
    "worker_timeout_seconds": 30,
    "workers": 1,
    "max_streams": 1_000,
    "max_queue": 100,
    "queue_timeout_seconds": 0.02,
    "max_request_bytes": 20 << 20,
    "max_text_bytes": 4 << 20,
    "max_request_bytes_in_flight": 128 << 20,
    "max_turns": 4_096,
    "request_timeout_seconds": 10,
    "max_streams_per_connection": 100,
    "connection_age_seconds": 300,
    "keepalive_seconds": 30,
    "keepalive_timeout_seconds": 10,
    "drain_seconds": 5,
    "grace_seconds": 30,
    "usage_file": None,
    "log_level": "info",
    "log_format": "auto",
    "no_color": "",
    "otlp_endpoint": None,
    "otlp_traces_endpoint": None,
    "otlp_protocol": "grpc",
    "otlp_traces_protocol": None,
    "traces_exporter": (),
    "otel_disabled": False,
}

VARIABLES: list[tuple[str, str, str, object]] = [
    ("TOKENWIRE_LISTEN", "0.0.0.0:1", "listen", "0.0.0.0:1"),
    ("TOKENWIRE_LISTEN", "[::1]:50051", "listen", "[::1]:50051"),
    ("TOKENWIRE_METRICS_LISTEN", "localhost:0", "metrics_listen", "localhost:0"),
    ("TOKENWIRE_LOAD_REPORTS", "calls", "load_reports", "calls"),
    ("TOKENWIRE_CHANNELZ_LISTEN", "[::1]:50052", "channelz_listen", "[::1]:50052"),
    ("TOKENWIRE_CHANNELZ_LISTEN", "localhost:50052", "channelz_listen", "localhost:50052"),
    ("TOKENWIRE_PROTOCOLS", " xai, ", "protocols", frozenset({"xai"})),
    ("TOKENWIRE_PROTOCOLS", "xai,aiplatform", "protocols", frozenset({"aiplatform", "xai"})),
    ("TOKENWIRE_REFLECTION", "callers", "reflection", "callers"),
    ("TOKENWIRE_STATUS_TOKEN", " secret\n", "status_token", pydantic.SecretStr("secret")),
    ("OPENAI_ORG_ID", "org-1", "organization", "org-1"),
    ("OPENAI_PROJECT_ID", "proj-1", "project", "proj-1"),
    ("TOKENWIRE_PROVIDER", "anthropic", "provider", "anthropic"),
    ("TOKENWIRE_MODEL", " qwen3:8b ", "model", "qwen3:8b"),
    ("TOKENWIRE_EMBEDDING_MODEL", "small", "embedding_model", "small"),
    ("TOKENWIRE_CONFIG", "/etc/gateway.yaml", "config", Path("/etc/gateway.yaml")),
    ("TOKENWIRE_MODELS", " small, large,, ", "models", frozenset({"small", "large"})),
    ("TOKENWIRE_TEMPERATURE", "0", "temperature", 0),
    ("TOKENWIRE_SYSTEM_PROMPT", "Be brief.\nBe kind.", "system_prompt", "Be brief.\nBe kind."),
    ("TOKENWIRE_MAX_TOKENS_PARAMETER", "max_tokens", "max_tokens_parameter", "max_tokens"),
    ("TOKENWIRE_DIALECT", "responses", "dialect", "responses"),
    ("TOKENWIRE_REASONING_PARAMETER", "thinking", "reasoning_parameter", "thinking"),
    ("TOKENWIRE_CONSTRAINT_PARAMETER", "guided", "constraint_parameter", "guided"),
    ("TOKENWIRE_TOKENIZER", "vllm", "tokenizer", "vllm"),
    ("TOKENWIRE_STREAM_USAGE", "false", "stream_usage", False),
    ("TOKENWIRE_MERGE_TOKENS", "no", "merge_tokens", False),
    ("TOKENWIRE_CONNECT_TIMEOUT_SECONDS", "0.5", "connect_timeout_seconds", 0.5),
    ("TOKENWIRE_FIRST_TOKEN_TIMEOUT_SECONDS", "7", "first_token_timeout_seconds", 7),
    ("TOKENWIRE_IDLE_TIMEOUT_SECONDS", "7", "idle_timeout_seconds", 7),
    ("TOKENWIRE_STREAM_TIMEOUT_SECONDS", "7", "stream_timeout_seconds", 7),
    ("TOKENWIRE_READER_TIMEOUT_SECONDS", "7", "reader_timeout_seconds", 7),
    ("TOKENWIRE_WORKER_TIMEOUT_SECONDS", "2.5", "worker_timeout_seconds", 2.5),
    ("TOKENWIRE_WORKERS", "2", "workers", 2),
    ("TOKENWIRE_MAX_STREAMS", "7", "max_streams", 7),
    ("TOKENWIRE_MAX_QUEUE", "0", "max_queue", 0),
    ("TOKENWIRE_QUEUE_TIMEOUT_SECONDS", "0", "queue_timeout_seconds", 0),
    ("TOKENWIRE_MAX_REQUEST_BYTES", "2048", "max_request_bytes", 2_048),
    (
        "TOKENWIRE_MAX_REQUEST_BYTES_IN_FLIGHT",
        "20971520",
        "max_request_bytes_in_flight",
        20_971_520,
    ),
    ("TOKENWIRE_MAX_TEXT_BYTES", "2048", "max_text_bytes", 2_048),
    ("TOKENWIRE_MAX_TURNS", "7", "max_turns", 7),
    ("TOKENWIRE_REQUEST_TIMEOUT_SECONDS", "7", "request_timeout_seconds", 7),
    ("TOKENWIRE_MAX_STREAMS_PER_CONNECTION", "7", "max_streams_per_connection", 7),
    ("TOKENWIRE_CONNECTION_AGE_SECONDS", "7", "connection_age_seconds", 7),
    ("TOKENWIRE_KEEPALIVE_SECONDS", "7", "keepalive_seconds", 7),
    ("TOKENWIRE_KEEPALIVE_TIMEOUT_SECONDS", "7", "keepalive_timeout_seconds", 7),
    ("TOKENWIRE_DRAIN_SECONDS", "0", "drain_seconds", 0),
    ("TOKENWIRE_GRACE_SECONDS", "1.5", "grace_seconds", 1.5),
    (
        "TOKENWIRE_PRICES",
        " gpt-4o-mini=0.15:0.6:0.075, llama3.2:1b=0:0,",
        "prices",
        (Price("gpt-4o-mini", 0.15, 0.6, 0.075), Price("llama3.2:1b", 0, 0, 0)),
    ),
    (
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "SPAN_ONLY",
        "capture_content",
        True,
    ),
    ("TOKENWIRE_USAGE_FILE", "/data/usage", "usage_file", Path("/data/usage")),
    ("TOKENWIRE_LOG_LEVEL", "debug", "log_level", "debug"),
    ("TOKENWIRE_LOG_FORMAT", "console", "log_format", "console"),
    ("NO_COLOR", "1", "no_color", "1"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317", "otlp_endpoint", "http://a:4317"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "http://b:4318/x",
        "otlp_traces_endpoint",
        "http://b:4318/x",
    ),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "otlp_protocol", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "otlp_traces_protocol", "grpc"),
    ("OTEL_TRACES_EXPORTER", " otlp, Console", "traces_exporter", ("otlp", "console")),
    ("OTEL_SDK_DISABLED", "true", "otel_disabled", True),
]


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.usefixtures("_key")
def test_only_the_key_must_be_set() -> None:
    """With only a key set, every setting has its documented default."""
    assert load().model_dump(include=set(DEFAULTS)) == DEFAULTS


@pytest.mark.usefixtures("_key")
def test_each_variable_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Every setting is read from the variable that the documentation names."""
    for variable, text, field, value in VARIABLES:
        with (
            subtests.test(variable=variable, text=text, field=field, value=value),
            monkeypatch.context() as patched,
        ):
            patched.setenv(variable, text)
            assert getattr(load(), field) == value


def test_the_key_and_urls_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and base URL are read from the OpenAI SDK's variables, and URLs are kept whole."""
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://x.example/v1?api-version=2")
    monkeypatch.setenv("TOKENWIRE_PROXY", "http://127.0.0.1:3128")
    loaded = load()
    assert loaded.api_key is not None
    assert loaded.api_key.get_secret_value() == KEY
    assert str(loaded.base_url) == "https://x.example/v1?api-version=2"
    assert str(loaded.proxy) == "http://127.0.0.1:3128/"


def test_the_files_of_tls_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three TLS files, which are set together, are read from their variables unchanged."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TOKENWIRE_TLS_CERTIFICATE_FILE", "/etc/tls/tls.crt")
    monkeypatch.setenv("TOKENWIRE_TLS_KEY_FILE", "tls.key")
    monkeypatch.setenv("TOKENWIRE_TLS_CLIENT_CA_FILE", "/etc/tls/ca.crt")
    loaded = load()
    assert loaded.tls_certificate_file == Path("/etc/tls/tls.crt")
    assert loaded.tls_key_file == Path("tls.key")
    assert loaded.tls_client_ca_file == Path("/etc/tls/ca.crt")


def test_every_setting_is_tested() -> None:
    """The tests above cover every setting."""
    tested = {field for _, _, field, _ in VARIABLES} | {
        "api_key",
        "base_url",
        "proxy",
        "tls_certificate_file",
        "tls_key_file",
        "tls_client_ca_file",
    }
    assert tested == set(Settings.model_fields)


@pytest.mark.usefixtures("_key")
def test_no_other_name_sets_a_field(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Bare field names, and TOKENWIRE_ names of standard variables, are not read."""
    for field in Settings.model_fields:
        with subtests.test(field=field), monkeypatch.context() as patched:
            documented = config.variables(field)
            before = load()
            for name in (field, field.upper(), f"TOKENWIRE_{field.upper()}", documented[0].lower()):
                if name not in documented:
                    patched.setenv(name, "1")
            assert load() == before


@pytest.mark.usefixtures("_key")
def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable leaves the default in place, as Compose files and charts expect."""
    for field in Settings.model_fields:
        if field != "api_key":
            for name in config.variables(field):
                monkeypatch.setenv(name, "")
    assert load().model_dump(include=set(DEFAULTS)) == DEFAULTS


@pytest.mark.usefixtures("_key")
def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument of `load` overrides its variable, even if it is None."""
    monkeypatch.setenv("TOKENWIRE_MODEL", "from-environment")
    loaded = load(model="from-argument", api_key=None, base_url="http://127.0.0.1:1/v1")
    assert loaded.model == "from-argument"
    assert loaded.api_key is None


def test_an_unknown_argument_is_a_mistake() -> None:
    """An argument that is not a setting is rejected instead of ignored."""
    with pytest.raises(KeyError):
        load(modle="typo")


@pytest.mark.usefixtures("_key")
def test_settings_are_frozen() -> None:
    """Settings cannot be changed after they are read."""
    loaded = load()
    with pytest.raises(pydantic.ValidationError):
        loaded.model = "other"  # type: ignore[misc] # the field is frozen on purpose


def test_only_settings_reads_the_environment() -> None:
    """Only the config package reads the environment."""
    root = Path(tokenwire.__file__).parent
    readers = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if _reads_environment(ast.parse(path.read_text("utf-8")))
    }
    assert readers == {"config"}


def _reads_environment(tree: ast.AST) -> bool:
    # setdefault passes a variable on to a library, in a way that users can override.
    handed_on = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "setdefault"
    }
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names and id(node) not in handed_on:
            return True
        if isinstance(node, ast.ImportFrom) and any(name.name in names for name in node.names):
            return True
    return False
