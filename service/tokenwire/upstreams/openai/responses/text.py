"""Reads the text of a response, and finds text that was not streamed."""

from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.openai.responses.events import ResponsesEvent
from tokenwire.upstreams.openai.responses.output import OutputItem, string_of, texts_of


class ResponseText:
    """Reads the text of one response, refusals included.

    A response has all of its text several times: in deltas, in the part and the message that are
    complete, and in the response that is complete. Some upstreams omit one or another. Messages are
    compared in their order and not by their ids, because some upstreams give a message several ids.

    Attributes:
        count: The number of messages that are complete.
        refused: Whether a part of the text is a refusal.
    """

    def __init__(self) -> None:
        self.count = 0
        self.refused = False
        self._unclaimed = 0
        self._latest = ""

    def add(self, text: str) -> str:
        """Add a delta and return it."""
        if text:
            self._unclaimed += len(text)
            self._latest = text
        return text

    def add_refusal(self, text: str) -> str:
        """Add a delta of a refusal and return it."""
        self.refused = self.refused or bool(text)
        return self.add(text)

    def add_part(self, event: ResponsesEvent) -> str:
        """Add a part that is complete; return its text if no delta came since the last message."""
        text, refusal = string_of(event.text), string_of(event.refusal)
        self.refused = self.refused or bool(refusal)
        return "" if self._unclaimed else self.add(text or refusal)

    def add_message(self, item: OutputItem) -> str:
        """Add a message that is complete; return the part of its text that was not streamed.

        Raises:
            UpstreamProtocolError: The text has an unknown shape and was not streamed, or a part is
                missing that is not the end.
        """
        self.count += 1
        try:
            texts, refused = texts_of(item.content)
        except UpstreamProtocolError:
            if not self._unclaimed:
                raise
            return ""
        self.refused = self.refused or refused
        return self._claim("".join(texts))

    def _claim(self, text: str) -> str:
        missing = text[self._unclaimed :]
        if missing and self._unclaimed and not text[: self._unclaimed].endswith(self._latest):
            raise UpstreamProtocolError
        self._unclaimed = max(0, self._unclaimed - len(text))
        return missing
