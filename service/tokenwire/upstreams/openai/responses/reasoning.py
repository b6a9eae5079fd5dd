"""Reads the reasoning of a response."""

from typing import Final

import msgspec

from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.openai.responses.events import ResponsesEvent
from tokenwire.upstreams.openai.responses.output import OutputItem, texts_of

BETWEEN_PARTS: Final = "\n\n"
"""What separates the parts of the reasoning."""


class ResponseReasoning:
    """Reads the reasoning of one response: the model's own, or a summary of it in parts.

    Attributes:
        count: The number of items that are complete.
    """

    def __init__(self) -> None:
        self.count = 0
        self._part: object = None
        self._type = ""
        self._streamed = False

    def add(self, event: ResponsesEvent) -> str:
        """Add a delta; return its text, with a blank line before the next part.

        Some servers stream the reasoning and a summary of it: only what comes first is returned.
        """
        self._streamed = True
        self._type = self._type or event.type
        if event.type != self._type:
            return ""
        part = (event.type, event.output_index, event.summary_index, event.content_index)
        return self._separated(event.delta or "", part)

    def add_item(self, item: OutputItem) -> str:
        """Add an item that is complete; return its text if none of it was streamed."""
        self.count += 1
        streamed, self._streamed = self._streamed, False
        if streamed:
            return ""
        texts = _texts(item.summary) or _texts(item.content)
        return "".join(
            self._separated(text, (self.count, index)) for index, text in enumerate(texts)
        )

    def _separated(self, text: str, part: object) -> str:
        if not text:
            return ""
        is_next = self._part not in (None, part)
        self._part = part
        return BETWEEN_PARTS + text if is_next else text


def _texts(content: msgspec.Raw) -> list[str]:
    try:
        return texts_of(content)[0]
    except UpstreamProtocolError:
        return []
