"""Merges the members of the chunks of one answer to those of the whole."""

from typing import Any, Final

LATEST: Final = frozenset({"id", "type", "index", "name", "format", "signature", "expires_at"})
"""The members whose latest value counts. Other texts are pieces, which are joined."""
INDEX: Final = "index"


def merge(into: dict[str, Any], members: dict[str, Any]) -> None:
    """Add decoded members of a chunk to those of the chunks before it, in place.

    Texts are joined, objects are merged, and the items of arrays are merged by their `index` if
    they have one, or else added. Of all other values the latest counts.
    """
    for name, value in members.items():
        known = into.get(name)
        if isinstance(value, list) and isinstance(known, list | None):
            into[name] = _merged(known or [], value)
        elif isinstance(value, dict) and isinstance(known, dict):
            merge(known, value)
        elif isinstance(value, str) and isinstance(known, str) and name not in LATEST:
            into[name] = known + value
        elif value is not None or name not in into:
            into[name] = value


def _merged(items: list[Any], added: list[Any]) -> list[Any]:
    by_index = {
        each[INDEX]: each
        for each in items
        if isinstance(each, dict) and isinstance(each.get(INDEX), int)
    }
    for each in added:
        index = each.get(INDEX) if isinstance(each, dict) else None
        same = by_index.get(index) if isinstance(index, int) else None
        if same is None:
            items.append(each)
            if isinstance(index, int):
                by_index[index] = each
        else:
            merge(same, each)
    return items
