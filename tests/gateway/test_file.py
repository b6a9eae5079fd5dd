"""The gateway file: what it may say, and the one clear line for each mistake."""

import json
import os
from pathlib import Path

import pytest

from tokenwire.config import SettingsError
from tokenwire.config.gateway import LoadedGateway, load_gateway
from tokenwire.config.gateway.problems import MAX_PROBLEMS

CANARY = "canary-of-a-secret"

VALID = """\
upstreams:
  openai:
    keys: [env:FIRST_KEY, "file:second-key"]
    headers: {x-team: ml, X-Token: env:FIRST_KEY}
    dialect: responses
  gpu: {base_url: http://vllm.models.svc:8000/v1, max_streams: 200, idle_timeout: 2m}
models:
  fast:
    routes: [gpu/Qwen/Qwen3-8B, openai/gpt-5.6-luna]
    aliases: [gpt-4o-mini, no]
    abilities: [tools, format]
  smart:
    routes:
      - [{to: openai/gpt-5.6, weight: 3}, gpu/gpt-5.6]
      - gpu/other
    price: {input: 1.25, output: 10, cached_input: 0.125}
    first_token_timeout: 800ms
  "4": {routes: gpu/x}
default_model: smart
"""


@pytest.fixture(autouse=True)
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the secrets that the valid file names."""
    monkeypatch.setenv("FIRST_KEY", CANARY)
    (tmp_path / "second-key").write_text(f"{CANARY}\n")


def load(tmp_path: Path, text: str | bytes) -> LoadedGateway:
    """Load a file with this text."""
    path = tmp_path / "gateway.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_gateway(path)


def problems_of(tmp_path: Path, text: str | bytes) -> list[str]:
    """Return the problems of a file, without its directory."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    problems = [each.removeprefix(f"{tmp_path}/gateway.yaml:") for each in caught.value.problems]
    assert all(CANARY not in each and "\n" not in each for each in problems)
    return problems


def test_a_valid_file(tmp_path: Path) -> None:
    """Routes become tiers, durations seconds, and names of any kind stay texts."""
    loaded = load(tmp_path, VALID)
    fast, smart, four = loaded.file.models.values()
    assert [[route.to for route in tier] for tier in fast.routes] == [
        ["gpu/Qwen/Qwen3-8B"],
        ["openai/gpt-5.6-luna"],
    ]
    first = fast.routes[0][0]
    assert (first.upstream, first.model) == ("gpu", "Qwen/Qwen3-8B")
    assert fast.aliases == ["gpt-4o-mini", "no"]
    assert [[(route.to, route.weight) for route in tier] for tier in smart.routes] == [
        [("openai/gpt-5.6", 3.0), ("gpu/gpt-5.6", 1.0)],
        [("gpu/other", 1.0)],
    ]
    assert smart.first_token_timeout == 0.8
    assert [len(tier) for tier in four.routes] == [1]
    gpu = loaded.file.upstreams["gpu"]
    assert (gpu.max_streams, gpu.idle_timeout, gpu.first_token_timeout) == (200, 120.0, 60.0)
    assert loaded.named_files == (tmp_path / "second-key",)


# What is replaced in the valid file, by what, and the problem.
MISTAKES: dict[str, tuple[str, str, str]] = {
    "an unknown key": (
        "max_streams: 200",
        "max_stream: 200",
        (
            "6: upstreams.gpu.max_stream: unknown key; did you mean max_streams? allowed here: "
            "provider, base_url, keys, headers, organization, project, dialect, "
            "max_tokens_parameter, reasoning_parameter, constraint_parameter, tokenizer, "
            "stream_usage, max_streams, ca_file, proxy, connect_timeout, first_token_timeout, "
            "idle_timeout"
        ),
    ),
    "an unknown key at the top": (
        "default_model: smart",
        "defaults: smart",
        (
            "19: defaults: unknown key; did you mean default_model? allowed here: upstreams, "
            "models, default_model, default_embedding_model, issuers, callers, limits"
        ),
    ),
    "an unknown key of a route": (
        "weight: 3",
        "wait: 3",
        (
            "14: models.smart.routes[0][0].wait: unknown key; did you mean weight? allowed "
            "here: to, weight"
        ),
    ),
    "an unknown upstream": (
        "gpu/Qwen",
        "gpus/Qwen",
        (
            "9: models.fast.routes[0][0]=gpus/Qwen/Qwen3-8B: the upstream gpus is not in "
            "`upstreams`; did you mean gpu?"
        ),
    ),
    "a route without a model": (
        "gpu/other",
        "gpu",
        "15: models.smart.routes[1][0]: must be UPSTREAM/MODEL",
    ),
    "a route twice": (
        "- gpu/other",
        "- gpu/gpt-5.6",
        (
            "15: models.smart.routes[1][0]=gpu/gpt-5.6: occurs twice among the routes of this "
            "model; remove one"
        ),
    ),
    "no routes": (
        "routes: gpu/x",
        "routes: []",
        "18: models.4.routes: must have at least 1 entries",
    ),
    "a weight of 0": (
        "weight: 3",
        "weight: 0",
        "14: models.smart.routes[0][0].weight=0: must be greater than 0",
    ),
    "a weight that is no number": (
        "weight: 3",
        "weight: .inf",
        "14: models.smart.routes[0][0].weight=.inf: must be a valid number",
    ),
    "an alias twice": (
        "no]",
        "gpt-4o-mini]",
        (
            "10: models.fast.aliases[1]=gpt-4o-mini: is an alias of fast already; remove it or "
            "choose another"
        ),
    ),
    "an alias that is a model": (
        "no]",
        "smart]",
        (
            "10: models.fast.aliases[1]=smart: is the name of a model already; remove it or "
            "choose another"
        ),
    ),
    "a secret file that is missing": (
        "file:second-key",
        "file:third-key",
        (
            "3: upstreams.openai.keys[1]=file:third-key: the file cannot be read: No such file "
            "or directory"
        ),
    ),
    "a variable that is not set": (
        "[env:FIRST_KEY",
        "[env:THIRD_KEY",
        "3: upstreams.openai.keys[0]=env:THIRD_KEY: the variable is not set or empty",
    ),
    "a secret itself": (
        "env:FIRST_KEY,",
        f"{CANARY},",
        "3: upstreams.openai.keys[0]: must be a reference to a secret: env:NAME or file:PATH",
    ),
    "a header of the service": (
        "x-team",
        "Authorization",
        (
            "4: upstreams.openai.headers.Authorization: must not be a header that the service "
            "sets itself"
        ),
    ),
    "a header of two lines": (
        "{x-team: ml",
        '{x-team: "ml\\nx"',
        (
            "4: upstreams.openai.headers.x-team: must be one line of printable ASCII, without "
            "white space around it"
        ),
    ),
    "a key of another provider": (
        "{base_url: http://vllm.models.svc:8000/v1, max_streams: 200",
        "{provider: ollama, project: p, max_streams: 200",
        "6: upstreams.gpu.project: has no effect with the provider ollama; remove it",
    ),
    "a provider that needs a key": (
        "{base_url: http://vllm.models.svc:8000/v1, max_streams: 200",
        "{provider: anthropic, max_streams: 200",
        "6: upstreams.gpu.keys: is missing; the provider anthropic needs a key",
    ),
    "a bad duration": (
        "800ms",
        "800",
        (
            "17: models.smart.first_token_timeout=800: must be a duration above 0 and up to "
            "24h, such as 800ms, 30s, 2m or 1h"
        ),
    ),
    "a duration of 0": (
        "800ms",
        "0s",
        (
            "17: models.smart.first_token_timeout=0s: must be a duration above 0 and up to 24h, "
            "such as 800ms, 30s, 2m or 1h"
        ),
    ),
    "an unknown ability": (
        "[tools,",
        "[toolz,",
        (
            "11: models.fast.abilities[0]=toolz: must be 'chat', 'tools', 'format', "
            "'reasoning', 'images', 'audio', 'files' or 'embeddings'"
        ),
    ),
    "a URL of another kind": (
        "http://vllm",
        "grpc://vllm",
        (
            "6: upstreams.gpu.base_url=grpc://vllm.models.svc:8000/v1: must be an http or https "
            "URL without a fragment"
        ),
    ),
    "a URL with a password": (
        "http://vllm",
        f"http://me:{CANARY}@vllm",
        (
            "6: upstreams.gpu.base_url=http://***@vllm.models.svc:8000/v1: must have no user "
            "and no password; set `keys` or `headers`"
        ),
    ),
    "a default that is no model": (
        "default_model: smart",
        "default_model: smrt",
        "19: default_model=smrt: is not a model of the file; did you mean smart?",
    ),
    "a name of an upstream that is no label": (
        "  gpu: {",
        "  GPU_1: {",
        (
            "6: upstreams.GPU_1=GPU_1: must be 1 to 63 lower-case letters, digits and hyphens, "
            "and begin and end with a letter or digit"
        ),
    ),
    "text for a number": (
        "max_streams: 200",
        'max_streams: "200"',
        "6: upstreams.gpu.max_streams=200: must be a valid integer",
    ),
    "a number for text": (
        "dialect: responses",
        "organization: 5",
        "5: upstreams.openai.organization=5: must be text; quote it",
    ),
    "a list for a map": (
        "price: {input: 1.25, output: 10, cached_input: 0.125}",
        "price: [1.25, 10]",
        "16: models.smart.price: must be a map",
    ),
    "a price without a part": (
        "output: 10, ",
        "",
        "16: models.smart.price.output: is missing",
    ),
    "a key twice": (
        "default_model: smart",
        "models: {}",
        "19: the key 'models' occurs twice; remove one of the two",
    ),
    "a key twice in a map of one line": (
        "max_streams: 200",
        "max_streams: 200, max_streams: 300",
        "6: the key 'max_streams' occurs twice; remove one of the two",
    ),
    "a tab": (
        "  gpu: {",
        "\tgpu: {",
        "6: is not YAML: found a tab character that violates indentation",
    ),
    "a bracket that is not closed": (
        "max_streams: 200, idle_timeout: 2m}",
        "max_streams: 200, idle_timeout: 2m",
        "7: is not YAML: did not find expected ',' or '}'",
    ),
    "an anchor": (
        "gpu: {",
        "gpu: &gpu {",
        "6: anchors (`&name`) are not accepted; repeat the value",
    ),
    "an alias of YAML": (
        "routes: gpu/x",
        "routes: *gpu",
        "18: aliases (`*name`) are not accepted; repeat the value",
    ),
    "a tag": (
        "dialect: responses",
        "dialect: !!python/name:os.system responses",
        "5: tags (`!name`) are not accepted; remove it",
    ),
    "two documents": (
        "default_model: smart",
        "---\ndefault_model: smart",
        "19: must be one document; remove `---`",
    ),
    "a control character": (
        "smart:\n",
        "smart:\x00\n",
        "12: has a character that YAML does not allow; remove it or quote it as \\x..",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line(tmp_path: Path, mistake: tuple[str, str, str]) -> None:
    """The line has the file, the line, the key, the value, and what is allowed; never a secret."""
    right, wrong, problem = mistake
    assert VALID.count(right) == 1
    assert problems_of(tmp_path, VALID.replace(right, wrong)) == [problem]


WHOLE: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["1: must be a map"]),
    "a list": ("[]", ["1: must be a map"]),
    "nothing in it": ("{}", ["1: models: is missing", "1: upstreams: is missing"]),
    "not UTF-8": (b"models: \xff", [" must be text in UTF-8"]),
    "more than a megabyte": (
        b"#" * (1 << 20) + b"#",
        [" cannot be read: Larger than 1,048,576 bytes"],
    ),
    "deep": ("[" * 900_000, ["1: must be nested at most 16 deep"]),
    "deep blocks": (
        "".join(f"{' ' * n}a:\n" for n in range(1_000)),
        ["17: must be nested at most 16 deep"],
    ),
    "many": ("[" + "1," * 500_000 + "]", ["1: must have at most 50,000 values"]),
    "a laugh": (
        "a: &a [x, x]\nb: &b [*a, *a]\n",
        ["1: anchors (`&name`) are not accepted; repeat the value"],
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_no_gateway_file(tmp_path: Path, name: str) -> None:
    """A file of another kind, or one that is made to use memory or time, has its one line too."""
    text, problems = WHOLE[name]
    assert problems_of(tmp_path, text) == problems


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Problems come in the order of their lines, up to a limit."""
    text = VALID.replace("max_streams: 200", "max_streams: 0").replace("800ms", "never")
    lines = [each.partition(":")[0] for each in problems_of(tmp_path, text)]
    assert lines == ["6", "17"]
    many = "upstreams: {gpu: {base_url: http://x}}\nmodels:\n" + "".join(
        f"  m{n}: {{routes: nowhere/{n}}}\n" for n in range(100)
    )
    found = problems_of(tmp_path, many)
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == " and 80 more"


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that does not exist is told by its name."""
    with pytest.raises(SettingsError) as caught:
        load_gateway(tmp_path / "nowhere.yaml")
    [problem] = caught.value.problems
    assert problem == f"{tmp_path}/nowhere.yaml: cannot be read: No such file or directory"


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """A FIFO in place of the file or of a secret does not block."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError):
        load_gateway(tmp_path / "pipe")
    problems = problems_of(tmp_path, VALID.replace("second-key", "pipe"))
    assert problems == [
        "3: upstreams.openai.keys[1]=file:pipe: the file cannot be read: Not a regular file"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("not a certificate", "must be a PEM file with certificates"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_authorities(tmp_path: Path, content: str | None, problem: str) -> None:
    """The file of an upstream's authorities must be there and have certificates."""
    if content:
        (tmp_path / "ca.pem").write_text(content)
    text = VALID.replace("max_streams: 200", "ca_file: ca.pem")
    assert problems_of(tmp_path, text) == [f"6: upstreams.gpu.ca_file=ca.pem: {problem}"]


def test_the_schema_accepts_the_valid_file() -> None:
    """The committed JSON Schema, which editors use, knows every key of the valid file."""
    schema = json.loads((Path(__file__).parents[2] / "docs/gateway.schema.json").read_text())
    known = set(schema["$defs"]["UpstreamSection"]["properties"])
    assert {"keys", "headers", "base_url", "max_streams", "idle_timeout", "dialect"} <= known
    assert set(schema["properties"]) >= {"upstreams", "models", "default_model"}
