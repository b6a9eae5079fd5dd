"""Reads the sources that an answer names, which upstreams report in different forms.

OpenAI and OpenRouter send `annotations` with the text. Perplexity sends `search_results` and
`citations`, which are lists of all sources, in every chunk, and xAI sends the latter in the last.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tokenwire.core.domain import Citation
from tokenwire.upstreams.openai.chunk import Chunk

MAX_CITATIONS: Final = 256
MAX_LIST_BYTES: Final = 1 << 16
"""The size of a list above which it is ignored."""
MAX_URL_LENGTH: Final = 8_192
MAX_TITLE_LENGTH: Final = 1_000
"""The most characters of a title; the rest is cut off."""
MAX_POSITION: Final = 2**31 - 1


class CitationReader:
    """Accumulates the citations of one answer. What is not a citation is ignored."""

    def __init__(self) -> None:
        self._citations: list[Citation] = []
        self._lists: dict[str, bytes] = {}

    def add_encoded(self, annotations: bytes) -> None:
        """Add the JSON of a list of annotations, or of one."""
        self.add(_decode(annotations))

    def add(self, annotations: list[Any]) -> None:
        """Add annotations. One that is known is ignored."""
        room = MAX_CITATIONS - len(self._citations)
        found = [each for each in _citations(annotations) if each not in self._citations]
        self._citations += found[:room]

    def add_lists(self, chunk: Chunk) -> None:
        """Replace the lists of all sources by those of a chunk."""
        for name, encoded in (
            ("search_results", chunk.search_results),
            ("citations", chunk.citations),
        ):
            if len(encoded):
                # Not decoded yet, because the next chunk may have the same list.
                self._lists[name] = bytes(encoded)

    def finish(self) -> tuple[Citation, ...]:
        """Return all citations. A list adds those whose address no other one has."""
        for name in ("search_results", "citations"):
            known = {each.url for each in self._citations}
            found = _decode(self._lists.get(name, b""))
            self.add([each for each in found if _url(each) not in known])
        return tuple(self._citations)


def _decode(encoded: bytes) -> list[Any]:
    if not encoded or len(encoded) > MAX_LIST_BYTES:
        return []
    try:
        value = msgspec.json.decode(encoded)
    except (ValueError, RecursionError):
        return []
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else []


def _citations(items: list[Any]) -> Iterator[Citation]:
    for item in items:
        url = _url(item)
        if not url or len(url) > MAX_URL_LENGTH:
            continue
        fields = _fields(item)
        title = fields.get("title")
        start, end = _position(fields.get("start_index")), _position(fields.get("end_index"))
        if start >= end:
            start = end = 0
        yield Citation(url, title[:MAX_TITLE_LENGTH] if isinstance(title, str) else "", start, end)


def _fields(item: Any) -> dict[str, Any]:
    """Return the fields of a source, which chat completions put into `url_citation`."""
    if not isinstance(item, dict):
        return {}
    inner = item.get("url_citation")
    return inner if isinstance(inner, dict) else item


def _url(item: Any) -> str:
    url = item if isinstance(item, str) else _fields(item).get("url")
    return url if isinstance(url, str) else ""


def _position(value: object) -> int:
    return value if type(value) is int and 0 <= value <= MAX_POSITION else 0
