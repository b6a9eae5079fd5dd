"""The servers to measure."""

import hashlib
import json
import os
import shutil
import string
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.server import Arguments, Server, Surroundings

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
PEERS = Path(__file__).resolve().parent / "peers"
LOAD = TOOLS / "bin" / "load"
PYTHON = Path(sys.executable)
PEERS_PYTHON = TOOLS / "bench-peers" / "bin" / "python"
LITELLM_PYTHON = TOOLS / "litellm" / "bin" / "python"
NGINX = Path(shutil.which("nginx") or TOOLS / "bin" / "nginx")

MODEL = "gpt-4o-mini"
KEY = "sk-benchmark"
"""For clients that require a key; the upstream does not."""

OURS = (
    *("grpcio", "protobuf", "langchain-core", "langchain-openai"),
    *("aiohttp", "msgspec", "uvloop"),
)
LANGCHAIN = ("langchain-core", "langchain-openai", "openai")


def _tokenwire(surroundings: Surroundings) -> Mapping[str, str]:
    """Return settings as in production: traces, metrics, JSON logs and all limits enabled."""
    return {
        "OPENAI_BASE_URL": f"http://{surroundings.upstream}/v1",
        "TOKENWIRE_LISTEN": f"127.0.0.1:{surroundings.port}",
        "TOKENWIRE_METRICS_LISTEN": f"127.0.0.1:{surroundings.metrics_port}",
        "TOKENWIRE_MODEL": MODEL,
        "TOKENWIRE_MAX_STREAMS": "10000",
        "TOKENWIRE_MAX_STREAMS_PER_CONNECTION": "10000",
        "TOKENWIRE_LOG_FORMAT": "json",
        "TOKENWIRE_DRAIN_SECONDS": "0",
        "TOKENWIRE_GRACE_SECONDS": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{surroundings.collector}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }


def with_workers(count: int) -> Server:
    """Return tokenwire with `count` workers behind one port."""
    name = f"tokenwire-workers-{count}"
    title = f"tokenwire, {count} worker{'s' if count > 1 else ''}"

    def variables(surroundings: Surroundings) -> Mapping[str, str]:
        return {**_tokenwire(surroundings), "TOKENWIRE_WORKERS": str(count)}

    return Server(name, title, PYTHON, _serve, variables, packages=OURS, metrics=True)


def tokenwire_of_checkout(checkout: Path) -> Server:
    """Return tokenwire of another checkout of this repository, with the same dependencies."""

    def variables(surroundings: Surroundings) -> Mapping[str, str]:
        return {**_tokenwire(surroundings), "PYTHONPATH": _packages(checkout.resolve())}

    title = f"tokenwire of {checkout}"
    return Server("tokenwire-before", title, PYTHON, _serve, variables, packages=OURS, metrics=True)


def _packages(checkout: Path) -> str:
    """Return the import path of a checkout; an early one has all in the first folder."""
    return os.pathsep.join(str(checkout / folder) for folder in ("service", "client", "demo"))


def _unmerged(surroundings: Surroundings) -> Mapping[str, str]:
    return {**_tokenwire(surroundings), "TOKENWIRE_MERGE_TOKENS": "false"}


def _with_file(surroundings: Surroundings) -> Mapping[str, str]:
    """Return settings with a gateway file of one upstream, one model and one route."""
    return _with_sections(surroundings, "file.yaml", {})


def _with_callers(surroundings: Surroundings) -> Mapping[str, str]:
    """Return settings with a gateway file whose caller has limits, which this process counts."""
    limits = {
        "streams": 10_000,
        "requests": "1000000/m",
        "tokens": ["1000000000/m", "100000000000/d"],
    }
    key = f"sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"
    callers = {"team": {"keys": [key], "limits": limits}}
    return _with_sections(surroundings, "callers.yaml", {"callers": callers})


def _with_sections(
    surroundings: Surroundings, name: str, sections: Mapping[str, object]
) -> Mapping[str, str]:
    file = surroundings.folder / name
    upstream = {"base_url": f"http://{surroundings.upstream}/v1"}
    route = {"routes": f"upstream/{MODEL}"}
    content = {"upstreams": {"upstream": upstream}, "models": {MODEL: route}, **sections}
    file.write_text(json.dumps(content))
    settings = {**_tokenwire(surroundings), "TOKENWIRE_CONFIG": str(file)}
    del settings["TOKENWIRE_MODEL"], settings["OPENAI_BASE_URL"]
    return settings


def _unobserved(surroundings: Surroundings) -> Mapping[str, str]:
    """Return settings without spans and call log; this server is not scraped either."""
    observed = _tokenwire(surroundings)
    kept = {name: value for name, value in observed.items() if not name.startswith("OTEL_")}
    return {**kept, "TOKENWIRE_LOG_LEVEL": "error"}


def _serve(_: Surroundings) -> Arguments:
    return "-m", "tokenwire", "serve"


def _peer(name: str) -> Callable[[Surroundings], Arguments]:
    return lambda surroundings: (PEERS / f"{name}.py", str(surroundings.port))


def _openai(surroundings: Surroundings) -> Mapping[str, str]:
    return {
        "PYTHONPATH": _packages(ROOT),  # for the stubs
        "OPENAI_BASE_URL": f"http://{surroundings.upstream}/v1",
        "OPENAI_API_KEY": KEY,
    }


def _litellm(surroundings: Surroundings) -> Arguments:
    script = LITELLM_PYTHON.with_name("litellm")
    listen = ("--host", "127.0.0.1", "--port", str(surroundings.port))
    return script, "--config", PEERS / "litellm.yaml", *listen


def _litellm_variables(surroundings: Surroundings) -> Mapping[str, str]:
    return {
        "OPENAI_BASE_URL": f"http://{surroundings.upstream}/v1",
        "OPENAI_API_KEY": KEY,
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOG": "ERROR",
        # Otherwise it downloads its price list and header table at startup.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    }


def _nginx(surroundings: Surroundings) -> Arguments:
    config = surroundings.folder / "nginx.conf"
    values = {
        "port": surroundings.port,
        "upstream": surroundings.upstream,
        "folder": surroundings.folder,
    }
    template = string.Template((PEERS / "nginx.conf").read_text())
    config.write_text(template.safe_substitute(values))
    return "-p", surroundings.folder, "-e", surroundings.folder / "nginx-error.log", "-c", config


SERVERS = (
    Server("tokenwire", "tokenwire", PYTHON, _serve, _tokenwire, packages=OURS, metrics=True),
    Server(
        "tokenwire-unmerged",
        "tokenwire, `TOKENWIRE_MERGE_TOKENS=false`",
        PYTHON,
        _serve,
        _unmerged,
        packages=OURS,
        metrics=True,
    ),
    Server(
        "tokenwire-file",
        "tokenwire, with a gateway file of one route",
        PYTHON,
        _serve,
        _with_file,
        packages=OURS,
        metrics=True,
    ),
    Server(
        "tokenwire-callers",
        "tokenwire, with a gateway file whose caller has a key and limits",
        PYTHON,
        _serve,
        _with_callers,
        packages=OURS,
        metrics=True,
        key=KEY,
    ),
    Server(
        "tokenwire-unobserved",
        "tokenwire without traces, scrapes and call log",
        PYTHON,
        _serve,
        _unobserved,
        packages=OURS,
    ),
    Server(
        "floor",
        "bare `grpc.aio`, no upstream (the floor)",
        PYTHON,
        _peer("floor"),
        _openai,
        packages=("grpcio",),
        relays=False,
    ),
    Server(
        "astream",
        "LangChain `astream` behind `grpc.aio`",
        PEERS_PYTHON,
        _peer("langchain_astream"),
        _openai,
        packages=("grpcio", *LANGCHAIN),
    ),
    Server(
        "article",
        "the original article's way",
        PEERS_PYTHON,
        _peer("article"),
        _openai,
        packages=("grpcio", "langchain-classic", *LANGCHAIN),
    ),
    Server(
        "fastapi",
        "FastAPI and LangChain `astream`, SSE",
        PEERS_PYTHON,
        _peer("fastapi_sse"),
        _openai,
        protocol="chat",
        path="/chat",
        packages=("fastapi", "uvicorn", *LANGCHAIN),
    ),
    Server(
        "litellm",
        "LiteLLM's proxy, SSE",
        LITELLM_PYTHON,
        _litellm,
        _litellm_variables,
        protocol="openai",
        path="/v1/chat/completions",
        packages=("litellm", "openai"),
    ),
    Server(
        "nginx",
        "nginx, the same SSE",
        NGINX,
        _nginx,
        protocol="openai",
        path="/v1/chat/completions",
    ),
)
DEFAULT_SERVERS = (
    *("tokenwire", "tokenwire-callers", "tokenwire-unmerged", "tokenwire-unobserved"),
    *("floor", "astream", "article"),
)
