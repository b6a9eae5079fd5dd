"""docs/gateway.md shows a file that works, and its commands do what it says."""

import json
import re
from pathlib import Path

import pytest

from support.command_line import TOKENWIRE, run, run_here, start
from support.programs import ROOT

DOCUMENT = (ROOT / "docs/gateway.md").read_text("utf-8")
EXAMPLE = ROOT / "examples/config/gateway.yaml"


def test_the_document_shows_the_example() -> None:
    """The file in the document is the one in examples/config."""
    [shown] = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert shown == EXAMPLE.read_text("utf-8")


def test_the_example_is_valid(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tokenwire check` accepts the example, and shows all of its routes."""
    [commands] = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    check, serve = commands.splitlines()
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.chdir(ROOT)
    finished = run_here(capsys, *check.split()[1:])
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.count("openai/") == 3
    assert serve == f"tokenwire serve --config {EXAMPLE.relative_to(ROOT)}"


def test_serving_by_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tokenwire serve` exits with 2 and says what is wrong, like `tokenwire check`."""
    path = tmp_path / "gateway.yaml"
    path.write_text("models: {}\n")
    served = run_here(capsys, "serve", "--config", str(path))
    checked = run_here(capsys, "check", str(path))
    assert (served.code, checked.code) == (2, 2)
    assert served.stderr.endswith(checked.stderr)
    assert f"{path}:1: upstreams: is missing" in checked.stderr


async def test_workers_serve_by_the_file(tmp_path: Path) -> None:
    """With several workers, each of them serves by the file, and a mistake is told once."""
    path = tmp_path / "gateway.yaml"
    path.write_text("models: {}\n")
    broken = await run(*TOKENWIRE, "serve", "--workers", "2", "--config", str(path))
    assert broken.code == 2
    assert broken.stderr.count("upstreams: is missing") == 1
    path.write_text(
        "upstreams: {one: {base_url: http://127.0.0.1:9/v1}}\nmodels: {fast: {routes: one/a}}\n"
    )
    environment = ("env", "TOKENWIRE_LISTEN=127.0.0.1:0", "TOKENWIRE_METRICS_LISTEN=127.0.0.1:0")
    serving = await start(
        *environment, *TOKENWIRE, "serve", "--workers", "2", "--config", str(path)
    )
    assert serving.stderr
    while b"metrics_address" not in (line := await serving.stderr.readline()):
        assert line
    assert json.loads(line)["model"] == "fast"
    serving.terminate()
    await serving.communicate()
    assert serving.returncode == 0
