"""docs/parts.md: its tables are the service's own, and its code runs."""

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest

from support.app import StartApp
from support.command_line import TOKENWIRE, run
from support.fenced import defined_by, fenced
from support.programs import ROOT
from tokenwire.api.chatgpt.parts import MAX_PARTS, MAX_URL_BYTES, MEDIA_TYPES
from tokenwire.config import Settings

DOC: Final = (ROOT / "docs" / "parts.md").read_text()
IMAGE_BYTES: Final = b"\x89PNG\r\n\x1a\n" * 2


def test_it_lists_every_media_type() -> None:
    """Each row of the table has the media types of one kind, in the same order."""
    for kind, names in MEDIA_TYPES.items():
        [row] = re.findall(rf"^\| {kind.value.title()} \| (.*?) \|", DOC, re.MULTILINE)
        assert row == ", ".join(f"`{name}`" for name in names)


def test_it_has_the_limits() -> None:
    """The limits are the defaults of the settings and the constants of the code."""
    defaults: dict[str, Any] = {
        name: field.default for name, field in Settings.model_fields.items()
    }
    for name in ("max_request_bytes", "max_text_bytes", "max_request_bytes_in_flight"):
        size = f"{defaults[name] >> 20} MiB"
        assert re.search(rf"\| {size} \| `TOKENWIRE_{name.upper()}` \|", DOC)
    assert f"| {MAX_PARTS} | |" in DOC
    assert f"| {MAX_URL_BYTES:,} bytes | |" in DOC


async def test_its_code_runs(start_app: StartApp, tmp_path: Path) -> None:
    """The Python code returns what the model says about an image."""
    app = await start_app()
    picture = tmp_path / "a.png"
    picture.write_bytes(IMAGE_BYTES)
    [code] = fenced(DOC, "python")
    names = defined_by(code)
    assert "an image of type image/png, 16 bytes" in await names["describe"](app.address, picture)


async def test_its_command_runs(
    start_app: StartApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints what the model says about an image."""
    app = await start_app()
    (tmp_path / "photo.jpg").write_bytes(IMAGE_BYTES)
    monkeypatch.chdir(tmp_path)
    [command] = fenced(DOC, "sh")
    program, *arguments = shlex.split(command)
    assert program == "tokenwire"
    finished = await run(*TOKENWIRE, *arguments, "--address", app.address)
    assert finished.code == 0
    assert "an image of type image/jpeg, 16 bytes" in finished.stdout
