"""Invalid settings: the messages for the operator, which never contain secrets."""

import pytest

from tokenwire.config import Settings, SettingsError, load, unknown_variables

KEY = "sk-canary-4711"


def problems() -> list[str]:
    """Return the error lines for the current settings, which must be invalid."""
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_a_missing_key_is_told_with_the_ways_out() -> None:
    """Without a key, the error names its variable and the alternatives."""
    [problem] = problems()
    assert problem.startswith("OPENAI_API_KEY is not set")
    assert "OPENAI_BASE_URL" in problem
    assert "--demo" in problem


def test_an_upstream_without_a_key_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is needed with a base URL, or with a provider that has a key of its own."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
    load()
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("TOKENWIRE_PROVIDER", "ollama")
    load()


def test_the_largest_request_fits_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of all requests below that of one request is rejected, naming both settings."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TOKENWIRE_MAX_REQUEST_BYTES", "2048")
    monkeypatch.setenv("TOKENWIRE_MAX_REQUEST_BYTES_IN_FLIGHT", "2047")
    [problem] = problems()
    assert problem.startswith("TOKENWIRE_MAX_REQUEST_BYTES_IN_FLIGHT is below ")
    assert "TOKENWIRE_MAX_REQUEST_BYTES," in problem


def test_channelz_is_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of channelz is rejected with several workers, naming both settings."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TOKENWIRE_CHANNELZ_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("TOKENWIRE_WORKERS", "2")
    [problem] = problems()
    assert problem.startswith("TOKENWIRE_CHANNELZ_LISTEN has no effect with TOKENWIRE_WORKERS ")


BAD_VALUES = [
    ("TOKENWIRE_LISTEN", "nonsense", "must be HOST:PORT, as in 127.0.0.1:50051"),
    ("TOKENWIRE_LISTEN", "127.0.0.1:65536", "must be HOST:PORT"),
    ("TOKENWIRE_LISTEN", "127.0.0.1:٣", "must be HOST:PORT"),
    ("TOKENWIRE_LISTEN", ":50051", "must be HOST:PORT"),
    ("TOKENWIRE_LISTEN", "::1:50051", "must be HOST:PORT"),
    ("TOKENWIRE_LISTEN", "unix:50051", "must be HOST:PORT"),
    ("TOKENWIRE_LISTEN", "unix-abstract:50051", "must be HOST:PORT"),
    ("TOKENWIRE_METRICS_LISTEN", "tcp://10.0.0.1:9464", "must be HOST:PORT"),
    ("TOKENWIRE_CHANNELZ_LISTEN", "0.0.0.0:50052", "must be HOST:PORT on a loopback address"),
    ("TOKENWIRE_CHANNELZ_LISTEN", "gateway.svc:50052", "must be HOST:PORT on a loopback"),
    ("TOKENWIRE_CHANNELZ_LISTEN", "127.0.0.1", "must be HOST:PORT, as in"),
    ("TOKENWIRE_MODEL", "' '", "string should have at least 1 character"),
    ("TOKENWIRE_TEMPERATURE", "3", "input should be less than or equal to 2"),
    ("TOKENWIRE_TEMPERATURE", "nan", "input should be"),
    ("TOKENWIRE_MAX_STREAMS", "0", "input should be greater than or equal to 1"),
    ("TOKENWIRE_MAX_STREAMS", "lots", "input should be a valid integer"),
    ("TOKENWIRE_STREAM_USAGE", "perhaps", "input should be a valid boolean"),
    ("TOKENWIRE_DRAIN_SECONDS", "-1", "input should be greater than or equal to 0"),
    ("TOKENWIRE_GRACE_SECONDS", "inf", "input should be"),
    ("TOKENWIRE_IDLE_TIMEOUT_SECONDS", "0", "input should be greater than 0"),
    ("TOKENWIRE_LOG_LEVEL", "loud", "input should be 'debug', 'info', 'warning' or 'error'"),
    ("TOKENWIRE_LOG_FORMAT", "xml", "input should be 'auto', 'json' or 'console'"),
    ("TOKENWIRE_PRICES", "gpt-4o=1", "must be MODEL=INPUT:OUTPUT"),
    ("TOKENWIRE_PRICES", "=1:2", "must be MODEL=INPUT:OUTPUT"),
    ("TOKENWIRE_PRICES", "gpt-4o=1:2:3:4", "must be MODEL=INPUT:OUTPUT"),
    ("TOKENWIRE_PRICES", "gpt-4o=1:-2", "must be MODEL=INPUT:OUTPUT"),
    ("TOKENWIRE_PRICES", "gpt-4o=nan:1", "must be MODEL=INPUT:OUTPUT"),
    ("OPENAI_BASE_URL", "localhost:1234", "URL scheme should be 'http' or 'https'"),
    ("OPENAI_ORG_ID", "'org\\nx'", "must be printable ASCII"),
    ("OPENAI_PROJECT_ID", "prö", "must be printable ASCII"),
]


def test_a_bad_value_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """The error line names the variable, its value and the allowed values."""
    for variable, value, allowed in BAD_VALUES:
        with (
            subtests.test(variable=variable, value=value, allowed=allowed),
            monkeypatch.context() as patched,
        ):
            patched.setenv("OPENAI_API_KEY", KEY)
            raw = value.strip("'").replace("\\n", "\n")
            patched.setenv(variable, raw)
            [problem] = problems()
            assert problem.startswith(f"{variable}={value}: {allowed}")
            assert "\n" not in problem


NOT_UTF8 = [("TOKENWIRE_MODELS", ""), ("TOKENWIRE_PRICES", "=1:2"), ("TOKENWIRE_LISTEN", ":1")]


def test_bytes_that_are_no_text(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """A value that is not UTF-8 is rejected at startup; as a label it would fail every scrape."""
    for variable, rest in NOT_UTF8:
        with subtests.test(variable=variable, rest=rest), monkeypatch.context() as patched:
            patched.setenv("OPENAI_API_KEY", KEY)
            patched.setenv(variable, f"gr\udcff\udcfee{rest}")
            [problem] = problems()
            assert problem == f"{variable}='gr\\udcff\\udcfee{rest}': must be text in UTF-8"


def test_passwords_that_are_not_encoded(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """No part of a password is shown, whichever characters it contains."""
    for password in ("can@ary", "can/ary", "can ary", "can@/ary", "c@n?ary"):
        with subtests.test(password=password), monkeypatch.context() as patched:
            patched.setenv("OPENAI_API_KEY", KEY)
            patched.setenv("TOKENWIRE_PROXY", f"ftp://user:{password}@proxy.example:99999")
            [problem] = problems()
            assert problem.startswith("TOKENWIRE_PROXY=ftp://***@proxy.example:99999: ")


def test_every_bad_value_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each invalid setting has its own line, so that one start reports them all."""
    monkeypatch.setenv("TOKENWIRE_LISTEN", "nonsense")
    monkeypatch.setenv("TOKENWIRE_MAX_STREAMS", "lots")
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    assert [problem.partition("=")[0] for problem in problems()] == [
        "TOKENWIRE_LISTEN",
        "OPENAI_BASE_URL",
        "TOKENWIRE_MAX_STREAMS",
    ]


def test_a_long_value_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line about a value of any length is short and has no line breaks."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TOKENWIRE_SYSTEM_PROMPT", "a line\n" * 20_000)
    [problem] = problems()
    assert "\n" not in problem
    assert len(problem) < 250
    assert problem.endswith("string should have at most 100000 characters")


def test_a_bad_key_is_told_but_not_shown(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A key that cannot be sent in an HTTP header is reported without being shown."""
    for key in (f"{KEY}\nx", f"{KEY}ä", f"{KEY}\x7f", " "):
        with subtests.test(key=key), monkeypatch.context() as patched:
            patched.setenv("OPENAI_API_KEY", key)
            assert problems() == ["OPENAI_API_KEY: must be printable ASCII and not blank"]


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `repr` nor `str` of the settings shows the key or the credentials in URLs."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:canary-3@x.example")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://user:canary-4@x.example")
    monkeypatch.setenv("TOKENWIRE_PROXY", "http://user:canary-5@127.0.0.1:3128")
    for key, base_url in (
        (KEY, "https://x.example/v1?key=canary-2"),
        ("", "https://user:canary-1@x.example/v1?key=canary-2"),
    ):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("OPENAI_BASE_URL", base_url)
        loaded = load()
        assert "canary" not in repr(loaded)
        assert "canary" not in str(loaded)


def test_errors_show_no_secrets(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """Neither errors about other settings nor pydantic's own errors show a secret."""
    for key in (KEY, f"{KEY}\n\nx"):
        with subtests.test(key=key), monkeypatch.context() as patched:
            patched.setenv("OPENAI_API_KEY", key)
            patched.setenv("OPENAI_BASE_URL", "ftp://user:canary-1@x.example/v1?key=canary-2")
            patched.setenv("TOKENWIRE_TEMPERATURE", "hot")
            lines = problems()
            assert "OPENAI_BASE_URL=ftp://***@x.example/v1?***: " in lines[-2]
            assert "canary" not in "\n".join(lines)
            with pytest.raises(ValueError, match="TOKENWIRE_TEMPERATURE") as caught:
                Settings()
            assert "canary" not in str(caught.value)


MISSPELT = [
    ("TOKENWIRE_MODLE", "TOKENWIRE_MODLE is not a setting; TOKENWIRE_MODEL is"),
    ("TOKENWIRE_API_KEY", "TOKENWIRE_API_KEY is not a setting; OPENAI_API_KEY is"),
    ("TOKENWIRE_BASE_URL", "TOKENWIRE_BASE_URL is not a setting; OPENAI_BASE_URL is"),
    ("TOKENWIRE_XYZ", "TOKENWIRE_XYZ is not a setting"),
    ("TOKENWIRE_LISTEN_PORT", "TOKENWIRE_LISTEN_PORT is not a setting; TOKENWIRE_LISTEN is"),
    ("TOKENWIRE_PORT", "TOKENWIRE_PORT is not a setting"),
]


def test_a_misspelt_variable_is_told(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A variable that resembles a setting but is none is reported, with the likely setting."""
    for name, line in MISSPELT:
        with subtests.test(name=name, line=line), monkeypatch.context() as patched:
            patched.setenv(name, "canary")
            [told] = unknown_variables()
            assert told.startswith(line)
            assert "canary" not in told


def test_known_variables_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and the variables of other programs cause no warning."""
    for name in ("TOKENWIRE_MODEL", "TOKENWIRE_SECRETS_DIR", "OPENAI_WHATEVER", "OTEL_WHATEVER"):
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == []


SERVICE_LINKS = [
    ("TOKENWIRE_PORT", "tcp://10.0.0.1:50051"),
    ("TOKENWIRE_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
    ("TOKENWIRE_PORT_50051_TCP_ADDR", "10.0.0.1"),
    ("TOKENWIRE_PORT_50051_TCP_PORT", "50051"),
    ("TOKENWIRE_PORT_50051_TCP_PROTO", "tcp"),
    ("TOKENWIRE_SERVICE_HOST", "10.0.0.1"),
    ("TOKENWIRE_SERVICE_PORT", "50051"),
    ("TOKENWIRE_SERVICE_PORT_GRPC", "50051"),
    ("TOKENWIRE_METRICS_PORT", "tcp://10.0.0.1:9464"),
    ("TOKENWIRE_METRICS_SERVICE_HOST", "10.0.0.1"),
]


def test_kubernetes_service_links_are_not_told(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Variables that Kubernetes sets in pods next to a Service called tokenwire are accepted."""
    for name, value in SERVICE_LINKS:
        with subtests.test(name=name, value=value), monkeypatch.context() as patched:
            patched.setenv(name, value)
            patched.setenv("OPENAI_API_KEY", KEY)
            assert unknown_variables() == []
            load()
