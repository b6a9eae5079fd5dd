"""`tokenwire check` validates a gateway file and shows its routes."""

from pathlib import Path

import pytest

from support.command_line import run_here

FILE = """\
upstreams:
  gpu: {base_url: "http://vllm:8000/v1"}
  openai: {keys: [env:CHECK_KEY]}
models:
  fast:
    routes: [gpu/qwen, openai/gpt]
    aliases: [quick]
  smart:
    routes:
      - [{to: openai/gpt, weight: 3}, gpu/big]
"""

TABLE = """\
MODEL        TIER  WEIGHT  ROUTE
fast, quick  1     100%    gpu/qwen
             2     100%    openai/gpt
smart        1     75%     openai/gpt
             1     25%     gpu/big
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the name of the file."""
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    return path


def test_a_valid_file_is_shown_as_a_table(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routes come in the order in which they are tried, each with its share of its tier."""
    monkeypatch.setenv("CHECK_KEY", "canary")
    finished = run_here(capsys, "check", str(file))
    assert (finished.code, finished.stdout, finished.stderr) == (0, TABLE, "")


def test_an_invalid_file_exits_with_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each problem is one line of stderr, and stdout is empty."""
    finished = run_here(capsys, "check", str(file))
    assert (finished.code, finished.stdout) == (2, "")
    assert finished.stderr == (
        f"tokenwire: {file}:3: upstreams.openai.keys[0]=env:CHECK_KEY: the variable is not set or "
        "empty\n"
    )
