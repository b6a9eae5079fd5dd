"""The committed generated files equal the generators' output."""

from collections.abc import Callable
from pathlib import Path

import pytest

import generate
from errors_doc import error_tables
from settings_doc import provider_tables, settings_table, settings_tables
from support.programs import ROOT
from tokenwire.config import Settings, variables
from tokenwire.config.files import names_of
from tokenwire.config.providers import PROVIDER_SETTINGS
from tokenwire.upstreams.langchain.provider import PROVIDERS

README = "README.md"


def name_of(generator: Callable[[Path], None]) -> str:
    return generator.__name__


@pytest.mark.parametrize("generator", generate.GENERATORS, ids=name_of)
def test_what_is_committed_is_what_is_generated(
    generator: Callable[[Path], None], tmp_path: Path
) -> None:
    """Run in an empty folder, a generator writes exactly the committed files."""
    # Some generators write between markers of the README.
    (tmp_path / README).write_bytes((ROOT / README).read_bytes())
    generator(tmp_path)
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 1
    for path in written:
        assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes(), path


def test_every_setting_is_documented() -> None:
    """Each setting is in exactly one table, with its limits and allowed values."""
    tables = settings_tables()
    text = "\n".join(tables.values())
    for field in Settings.model_fields:
        names = ", ".join(f"`{name}`" for name in variables(field))
        assert text.count(f"| {names} |") == 1
    assert list(tables) == [
        "Addresses",
        "TLS",
        "Upstream",
        "Model",
        "Limits and timing",
        "Metrics, logs and traces",
    ]
    assert "From 0 to 86,400 seconds." in tables["Limits and timing"]
    assert "One of `debug`, `info`, `warning`, `error`." in tables["Metrics, logs and traces"]


def test_every_setting_of_a_provider_is_documented() -> None:
    """Each provider has a table with its own settings."""
    tables = provider_tables()
    for provider, settings in PROVIDER_SETTINGS.items():
        rows = tables[f"With `TOKENWIRE_PROVIDER={provider}`"]
        for field in settings.model_fields.values():
            assert ", ".join(f"`{name}`" for name in names_of(field)) in rows
    assert tables.keys() >= {f"With `TOKENWIRE_PROVIDER={name}`" for name in PROVIDERS}


def test_the_readme_gets_the_table_between_its_markers(tmp_path: Path) -> None:
    """The table replaces the text between the README's markers and nothing else."""
    readme = tmp_path / README
    readme.write_text(
        "before\n<!-- settings: begin -->\nstale row\n<!-- settings: end -->\nafter\n"
    )
    settings_table(tmp_path)
    once = readme.read_text("utf-8")
    assert once.startswith("before\n<!-- settings: begin -->\n")
    assert once.endswith("<!-- settings: end -->\nafter\n")
    assert "stale row" not in once
    assert "`TOKENWIRE_LISTEN`" in once
    settings_table(tmp_path)
    assert readme.read_text("utf-8") == once


def test_a_readme_without_markers_is_left_alone(tmp_path: Path) -> None:
    """A README without markers is not changed."""
    readme = tmp_path / README
    readme.write_text("# a title\n")
    settings_table(tmp_path)
    assert readme.read_text("utf-8") == "# a title\n"


def test_failures_name_those_who_can_end_them() -> None:
    """Failures that only this service's operator can fix are not attributed to the upstream."""
    rows = error_tables()["The upstream"].splitlines()
    ours = {row.split("`")[1] for row in rows if row.endswith("| this service |")}
    assert ours == {
        "UPSTREAM_AUTH_REJECTED",
        "UPSTREAM_MODEL_NOT_FOUND",
        "UPSTREAM_QUOTA_EXHAUSTED",
        "UPSTREAM_REJECTED_REQUEST",
    }
