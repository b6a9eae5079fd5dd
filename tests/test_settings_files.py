"""Settings read from files, as Kubernetes mounts Secrets and ConfigMaps."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenwire.config import SettingsError, load

KEY = "sk-canary-4711"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKENWIRE_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_file_named_as_a_variable_sets_it(folder: Path) -> None:
    """Any setting can be read from a file; a trailing newline is removed."""
    (folder / "OPENAI_API_KEY").write_text(f"{KEY}\n")
    (folder / "TOKENWIRE_TEMPERATURE").write_text("0.5\n")
    (folder / "TOKENWIRE_SYSTEM_PROMPT").write_text("Sei kurz.\nGrüße zuerst.\n", "utf-8")
    (folder / "OTEL_EXPORTER_OTLP_ENDPOINT").write_text("http://127.0.0.1:4317\n")
    loaded = load()
    assert loaded.api_key is not None
    assert loaded.api_key.get_secret_value() == KEY
    assert loaded.temperature == 0.5
    assert loaded.system_prompt == "Sei kurz.\nGrüße zuerst."
    assert loaded.otlp_endpoint == "http://127.0.0.1:4317"


def test_kubernetes_mounts_are_read(folder: Path) -> None:
    """Symbolic links into a hidden directory are read, as in a mounted Secret."""
    versioned = folder / "..2026_01_02_03_04_05.123456789"
    versioned.mkdir()
    (versioned / "OPENAI_API_KEY").write_text(KEY)
    (folder / "..data").symlink_to(versioned.name)
    (folder / "OPENAI_API_KEY").symlink_to(Path("..data") / "OPENAI_API_KEY")
    loaded = load()
    assert loaded.api_key is not None
    assert loaded.api_key.get_secret_value() == KEY


def test_a_link_to_elsewhere_is_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file may be a symbolic link to another directory."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "key"
    elsewhere.write_text(KEY)
    (folder / "OPENAI_API_KEY").symlink_to(elsewhere)
    assert load().api_key is not None


def test_the_environment_wins_over_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable overrides the file of its name, but an empty variable does not."""
    (folder / "OPENAI_API_KEY").write_text(KEY)
    (folder / "TOKENWIRE_MODEL").write_text("from-file")
    (folder / "TOKENWIRE_PROVIDER").write_text("openai")
    monkeypatch.setenv("TOKENWIRE_MODEL", "from-environment")
    monkeypatch.setenv("TOKENWIRE_PROVIDER", "")
    loaded = load()
    assert loaded.model == "from-environment"
    assert loaded.provider == "openai"


def test_an_empty_file_is_unset(folder: Path) -> None:
    """An empty file leaves the default in place, like an empty variable."""
    (folder / "OPENAI_API_KEY").write_text(KEY)
    (folder / "OPENAI_BASE_URL").write_text("")
    (folder / "TOKENWIRE_MODEL").write_text("\n")
    loaded = load()
    assert loaded.base_url is None
    assert loaded.model == "gpt-4o-mini"


def test_only_exact_names_are_read(folder: Path) -> None:
    """A file named after a field, or in a different case, is ignored."""
    (folder / "OPENAI_API_KEY").write_text(KEY)
    for name in ("model", "MODEL", "tokenwire_model", "TOKENWIRE_MODEL.txt"):
        (folder / name).write_text("wrong")
    assert load().model == "gpt-4o-mini"


def test_a_missing_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing directory is reported in one line."""
    monkeypatch.setenv("TOKENWIRE_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.problems == [
        f"TOKENWIRE_SECRETS_DIR={tmp_path / 'nowhere'}: must be a directory"
    ]


def test_files_that_cannot_be_read_are_told(folder: Path) -> None:
    """Each unreadable file is reported in one line with its path and none of its content."""
    (folder / "OPENAI_API_KEY").write_bytes(b"sk-canary-\xff")
    (folder / "TOKENWIRE_MODEL").mkdir()
    with pytest.raises(SettingsError) as caught:
        load()
    assert caught.value.problems == [
        f"TOKENWIRE_SECRETS_DIR={folder / 'OPENAI_API_KEY'}: must be text in UTF-8",
        f"TOKENWIRE_SECRETS_DIR={folder / 'TOKENWIRE_MODEL'}: cannot be read: Is a directory",
    ]


def test_a_bad_value_from_a_file_is_told(folder: Path) -> None:
    """An invalid value from a file is reported with the name of its variable."""
    (folder / "OPENAI_API_KEY").write_text(KEY)
    (folder / "TOKENWIRE_MAX_STREAMS").write_text("many\n")
    with pytest.raises(SettingsError) as caught:
        load()
    [problem] = caught.value.problems
    assert problem.startswith("TOKENWIRE_MAX_STREAMS=many: input should be a valid integer")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (os.mkfifo, "Not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "Not a regular file"),
        (lambda path: path.write_bytes(b"x" * 1_048_577), "Larger than 1,048,576 bytes"),
    ],
    ids=["fifo", "device", "large"],
)
def test_what_is_no_file_of_a_setting(
    folder: Path, place: Callable[[Path], object], reason: str
) -> None:
    """A FIFO, a device or a huge file is rejected without waiting for it or reading it whole."""
    path = folder / "TOKENWIRE_MODEL"
    place(path)
    with pytest.raises(SettingsError) as raised:
        load()
    assert raised.value.problems == [f"TOKENWIRE_SECRETS_DIR={path}: cannot be read: {reason}"]
