"""The settings of a provider are checked at the start."""

import sys

import pytest

from support.anthropic_wire import ANTHROPIC
from support.bedrock_wire import BEDROCK
from support.google_wire import GOOGLE
from support.mistral_wire import MISTRAL
from support.ollama_wire import OLLAMA
from support.process import run_tokenwire
from support.providers import WIRES, provider_player
from support.wire import KEY, Wire
from tokenwire import config
from tokenwire.config import SettingsError
from tokenwire.config.providers import AnthropicSettings, OllamaSettings
from tokenwire.upstreams.build import build_model

PACKAGES: dict[Wire, tuple[str, ...]] = {
    ANTHROPIC: ("langchain_anthropic.",),
    BEDROCK: ("botocore.",),
    GOOGLE: ("langchain_google_genai.", "google.genai."),
    MISTRAL: ("langchain_mistralai.",),
    OLLAMA: ("langchain_ollama.", "ollama."),
}
WRONG = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "TOKENWIRE_PROXY": "http://127.0.0.1:2"}


def problems(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    """Return the problems with which a server with these variables refuses to start."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        build_model(config.load())
    return caught.value.problems


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.slow
async def test_a_server_does_not_start(workers: str) -> None:
    """Each missing setting and each without effect is one line, and the exit code is 2."""
    ended = await run_tokenwire(
        "serve", "--workers", workers, env={"TOKENWIRE_PROVIDER": "ollama", **WRONG}
    )
    assert ended.code == 2
    lines = [line for line in ended.stderr.splitlines() if line.startswith("tokenwire: ")]
    assert [line.split()[1] for line in lines] == [
        "TOKENWIRE_MODEL",
        "OPENAI_BASE_URL",
        "TOKENWIRE_PROXY",
    ]
    assert all("OLLAMA_HOST" in line for line in lines)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
        ("google-genai", "GOOGLE_API_KEY"),
        ("google_genai", "GOOGLE_API_KEY"),
        ("mistralai", "MISTRAL_API_KEY"),
    ],
)
def test_the_key_is_needed(provider: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider without its key does not start, and the line names the variable."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    [problem] = problems(monkeypatch, TOKENWIRE_PROVIDER=provider, TOKENWIRE_MODEL="m")
    assert problem.startswith(f"{variable} is not set; the provider ")


def test_every_problem_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems are reported at once, each with its variable and the provider's own."""
    found = problems(monkeypatch, TOKENWIRE_PROVIDER="anthropic", **WRONG)
    assert [problem.split()[0] for problem in found] == [
        "TOKENWIRE_MODEL",
        "OPENAI_BASE_URL",
        "TOKENWIRE_PROXY",
        "ANTHROPIC_API_KEY",
    ]
    assert all("ANTHROPIC_BASE_URL" in problem for problem in found[:3])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_ORG_ID", "org"),
        ("OPENAI_PROJECT_ID", "project"),
        ("TOKENWIRE_MAX_TOKENS_PARAMETER", "max_tokens"),
        ("TOKENWIRE_REASONING_PARAMETER", "thinking"),
        ("TOKENWIRE_CONSTRAINT_PARAMETER", "guided"),
        ("TOKENWIRE_STREAM_USAGE", "false"),
        ("TOKENWIRE_MERGE_TOKENS", "false"),
    ],
)
def test_a_setting_without_effect(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the OpenAI-compatible client is not ignored."""
    variables = {"TOKENWIRE_PROVIDER": "ollama", "TOKENWIRE_MODEL": "llama", name: value}
    [problem] = problems(monkeypatch, **variables)
    assert problem.startswith(f"{name} is set, but ")


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (ANTHROPIC, "ftp://host"),
        (ANTHROPIC, "api.anthropic.com"),
        (ANTHROPIC, "http://host/?a=1"),
        (BEDROCK, "bedrock-runtime.eu-central-1.amazonaws.com"),
        (GOOGLE, "generativelanguage.googleapis.com"),
        (MISTRAL, "http://host/v1?a=1"),
        (OLLAMA, "http://host/#a"),
        (OLLAMA, "host:port"),
        (OLLAMA, "http://"),
    ],
)
def test_an_invalid_address(wire: Wire, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that cannot be used is one line with the variable."""
    values = wire.variables | {wire.address: value}
    variables = {"TOKENWIRE_PROVIDER": wire.name, "TOKENWIRE_MODEL": "m"} | values
    [problem] = problems(monkeypatch, **variables)
    assert problem.startswith(f"{wire.address}=")
    assert KEY not in problem


@pytest.mark.parametrize(
    ("value", "url"),
    [
        (None, "http://127.0.0.1:11434/"),
        ("host", "http://host:11434/"),
        ("host:1", "http://host:1/"),
        (":1", "http://127.0.0.1:1/"),
        ("https://host", "https://host/"),
        ("http://host:1/path", "http://host:1/path"),
        ("[::1]", "http://[::1]:11434/"),
    ],
)
def test_ollamas_address(value: str | None, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """OLLAMA_HOST is completed as Ollama's own programs complete it."""
    if value:
        monkeypatch.setenv("OLLAMA_HOST", value)
    assert str(OllamaSettings().base_url) == url


def test_an_invalid_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that cannot be sent is one line without its value."""
    variables = {"TOKENWIRE_PROVIDER": "anthropic", "TOKENWIRE_MODEL": "m"}
    [problem] = problems(monkeypatch, **variables, ANTHROPIC_API_KEY=f"{KEY}\u00e9")
    assert problem == "ANTHROPIC_API_KEY: must be printable ASCII and not blank"


def test_the_key_is_read_from_a_file(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider's variables may be files, as all other settings."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "ANTHROPIC_API_KEY").write_text(f"{KEY}\n")
    monkeypatch.setenv("TOKENWIRE_SECRETS_DIR", str(folder))
    found = AnthropicSettings().api_key
    assert found
    assert found.get_secret_value() == KEY


def test_variables_of_other_providers_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the selected provider's variables are read."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "nonsense")
    monkeypatch.setenv("OLLAMA_HOST", "http://")
    build_model(config.load(api_key="key"))


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose package is missing does not start, and the line names the extra."""
    monkeypatch.setitem(sys.modules, "langchain_ollama", None)
    monkeypatch.delitem(sys.modules, "tokenwire.upstreams.langchain.ollama", raising=False)
    [problem] = problems(monkeypatch, TOKENWIRE_PROVIDER="ollama", TOKENWIRE_MODEL="m")
    assert problem == (
        "TOKENWIRE_PROVIDER=ollama: the package langchain_ollama is not installed; "
        "install tokenwire[ollama]"
    )


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_proxies_and_gateways_of_the_environment(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that redirect the packages' own clients have no effect."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "ANTHROPIC_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("LANGSMITH_GATEWAY", "true")
    monkeypatch.setenv("LANGSMITH_GATEWAY_API_KEY", "other")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_HTTP_CLIENT", "httpx2")
    monkeypatch.setenv("GOOGLE_GENAI_CLIENT_MODE", "replay")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    # The packages create clients when they are imported.
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    for module in [name for name in sys.modules if f"{name}.".startswith(PACKAGES[wire])]:
        monkeypatch.delitem(sys.modules, module)
    dialect = f"tokenwire.upstreams.langchain.{wire.name.replace('-', '_')}"
    monkeypatch.delitem(sys.modules, dialect, raising=False)
    async with provider_player(wire, monkeypatch) as upstream:
        got = await upstream.play(wire.answer(*wire.body("hi"), wire.end()))
        assert got.text == "hi"
