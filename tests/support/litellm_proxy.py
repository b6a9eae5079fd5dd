"""The LiteLLM proxy as an upstream of tests, with free ports and no network.

It has a model that it mocks itself, and one that it takes from a provider, which a test starts.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from support.ports import free_port

READY_WITHIN = 120.0
MODEL = "mock"
PROVIDER_MODEL = "deepseek-reasoner"
ANSWER = "An independent server answers, a few letters at a time."
# mock_response keeps the proxy from calling any provider.
MOCK = {"model": "openai/mock", "api_key": "unused", "mock_response": ANSWER}


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    Attributes:
        base_url: Its base URL.
        api_key: The key that it requires.
        model: The model that it mocks.
        answer: The answer of that model.
        provider_model: The model that it takes from its provider.
        provider_port: The port of 127.0.0.1 where it expects the provider.
    """

    base_url: str
    api_key: str
    model: str
    answer: str
    provider_model: str
    provider_port: int


@contextlib.contextmanager
def running_proxy(program: Path, folder: Path) -> Iterator[Proxy]:
    """Start the proxy, wait until it is ready, and stop it when the block ends."""
    port = free_port()
    proxy = Proxy(
        base_url=f"http://127.0.0.1:{port}/v1",
        api_key=f"sk-{secrets.token_hex(32)}",
        model=MODEL,
        answer=ANSWER,
        provider_model=PROVIDER_MODEL,
        provider_port=free_port(),
    )
    provider = {
        "model": f"deepseek/{PROVIDER_MODEL}",
        "api_key": "unused",
        "api_base": f"http://127.0.0.1:{proxy.provider_port}/v1",
    }
    models = {MODEL: MOCK, PROVIDER_MODEL: provider}
    config = folder / "litellm.yaml"
    config.write_text(json.dumps(config_of(models)))  # JSON is valid YAML
    log = folder / "litellm.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            # Only PATH is taken from the caller's environment: no keys, proxies or
            # settings. The last two variables keep the proxy from downloading its price
            # list and its header table at startup.
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "LITELLM_MASTER_KEY": proxy.api_key,
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/health/readiness", log)
        yield proxy
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def config_of(models: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the configuration with these models."""
    return {
        "model_list": [
            {"model_name": name, "litellm_params": parameters}
            for name, parameters in models.items()
        ]
    }


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Poll the proxy until it is ready; fail with the end of its log if it never is."""
    give_up = time.monotonic() + READY_WITHIN
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(url, trust_env=False).is_success:
                return
        time.sleep(0.2)
    state = "still starting" if process.poll() is None else f"ended with {process.returncode}"
    tail = log.read_text(errors="replace")[-3000:]
    raise AssertionError(f"LiteLLM's proxy is not ready after {READY_WITHIN} s: {state}\n{tail}")
