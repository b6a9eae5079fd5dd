"""Settings from a folder of files, as Kubernetes mounts secrets and config maps."""

from collections.abc import Iterable
from pathlib import Path


def read_files(folder: Path, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Read the files of these names that exist; an empty one counts as none.

    Returns:
        The files' texts by name, without white space around them, and a line
        for each file that cannot be read, with nothing of its content.
    """
    if not folder.is_dir():
        return {}, [f"{folder}: must be a directory"]
    texts: dict[str, str] = {}
    problems: list[str] = []
    for name in names:
        path = folder / name
        try:
            text = path.read_text("utf-8").strip()
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            problems.append(f"{path}: must be text in UTF-8")
        else:
            if text:
                texts[name] = text
    return texts, problems
