"""Changes of the gateway file: each is seen, however it was made, and told once."""

from pathlib import Path

import pytest

from tokenwire.config.gateway import GatewayFileError, load_gateway
from tokenwire.config.gateway.changes import FileChanges
from tokenwire.observability.metrics.removed_names import MAX_REMOVED, RemovedNames

FILE = """
upstreams:
  one: {base_url: "http://127.0.0.1:1/v1", keys: ["file:KEY"]}
models:
  fast: {routes: one/a}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that names a key."""
    (tmp_path / "first").write_text("sk-1")
    (tmp_path / "second").write_text("sk-2")
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE.replace("KEY", "first"))
    return path


def test_no_change_is_told_of_the_same_content(path: Path) -> None:
    """A file that is written anew with the same content, or only touched, is no change."""
    changes = FileChanges(load_gateway(path))
    assert changes.changed() is None
    path.write_text(path.read_text())
    path.touch()
    assert changes.changed() is None
    assert changes.changed(at_once=True) is None


def test_a_file_that_changed_while_it_was_read_is_read_again(path: Path) -> None:
    """A key that was replaced between the reading of the file and the first comparison is seen."""
    loaded = load_gateway(path)
    (path.parent / "first").write_text("sk-3")
    changes = FileChanges(loaded)
    found = changes.changed()
    assert found
    assert found.secrets == {"file:first": "sk-3"}
    path.write_text(FILE.replace("KEY", "second"))
    assert (found := changes.changed())
    assert found.secrets == {"file:second": "sk-2"}
    # Nobody watches the first key any more.
    (path.parent / "first").unlink()
    assert changes.changed() is None


def test_a_mistake_is_told_once(path: Path) -> None:
    """It is told again only if it is asked for; its end is told even if the content is the old."""
    changes = FileChanges(load_gateway(path))
    good = path.read_text()
    path.write_text(good + "more: 1\n")
    with pytest.raises(GatewayFileError, match="more"):
        changes.changed()
    path.touch()
    assert changes.changed() is None
    with pytest.raises(GatewayFileError, match="more"):
        changes.changed(at_once=True)
    path.write_text(good)
    assert changes.changed()


def test_a_missing_file_is_watched(path: Path) -> None:
    """A key that a new content names, and that comes only later, ends the mistake."""
    changes = FileChanges(load_gateway(path))
    path.write_text(FILE.replace("KEY", "third"))
    with pytest.raises(GatewayFileError, match="third"):
        changes.changed()
    assert changes.changed() is None
    (path.parent / "third").write_text("sk-4")
    assert (found := changes.changed())
    assert found.secrets == {"file:third": "sk-4"}


def test_the_series_of_removed_names_are_bounded() -> None:
    """Those that were removed first are dropped, and one that came back is not."""
    dropped: list[str] = []
    names = RemovedNames(dropped.append)
    every = [f"{number:04}" for number in range(MAX_REMOVED + 2)]
    names.update(every[:MAX_REMOVED], ())
    names.update((), [every[0]])
    assert dropped == []
    names.update(every[MAX_REMOVED:], [every[0]])
    assert dropped == [every[1]]
