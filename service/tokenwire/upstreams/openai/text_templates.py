"""Finds what the chunks of an answer have in common but for their text."""

from typing import Final

import msgspec

from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import QUOTE, Run, Template
from tokenwire.upstreams.openai.chunk import Chunk, MessageDelta

RUN_EVENTS: Final = 4
"""A template is learned where so many events arrive together; one event gains nothing from it."""
MAX_TRIES: Final = 4
"""After so many templates in a row that matched no event, no other one is learned."""
PROBE: Final = "probe"
ABSENT: Final = (b"", b"null")

_decode: Final = msgspec.json.Decoder(Chunk).decode
_decode_string: Final = msgspec.json.Decoder(str).decode


class TextTemplate(Template):
    """The bytes of a chunk around its text.

    Attributes:
        model: The model that the chunk names; may be empty.
        id: The id that the chunk has; may be empty.
    """

    def __init__(self, before: bytes, after: bytes, chunk: Chunk) -> None:
        super().__init__(before, after)
        self.model = chunk.model or ""
        self.id = chunk.id or ""


class TextTemplates:
    """The templates of one answer; see `event_runs.Templates`."""

    def __init__(self) -> None:
        self.current: TextTemplate | None = None
        self._tries = MAX_TRIES

    def learn(self, batch: list[Event | Run]) -> None:
        """Learn from the events of one read with many texts, which have been decoded."""
        if any(isinstance(each, Run) for each in batch):
            self._tries = MAX_TRIES
        elif self._tries:
            self._tries -= 1
            [*_, last] = batch
            self.current = text_template(last) if isinstance(last, Event) else None


def text_template(event: Event) -> TextTemplate | None:
    """Return the template of a chunk that has a text and nothing else that counts, or None.

    Decoding the chunk with another string in the place of its text shows that nothing but the
    text depends on that string.
    """
    try:
        chunk = _decode(event.data)
    except (ValueError, RecursionError):
        return None
    delta = _text_delta(chunk)
    if delta is None or event.name or b"\n" in event.data:
        return None
    before, found, after = event.data.partition(QUOTE + str(delta.content).encode() + QUOTE)
    if not found:
        return None
    template = TextTemplate(before + QUOTE, QUOTE + after, chunk)
    delta.content = PROBE
    try:
        probed = _decode(template.event(PROBE.encode()).data)
    except (ValueError, RecursionError):
        return None
    return template if probed == chunk else None


def _text_delta(chunk: Chunk) -> MessageDelta | None:
    """Return the delta of a chunk that adds only a text to the answer, or None."""
    if not chunk.choices or chunk.error or chunk.x_groq or chunk.citations or chunk.search_results:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if delta is None or not delta.content or choice.finish_reason:
        return None
    others = (delta.refusal, delta.reasoning_content, delta.reasoning, delta.reasoning_details)
    lists = (delta.tool_calls, delta.function_call, delta.annotations, chunk.usage, choice.usage)
    if any(others) or any(bytes(each) not in ABSENT for each in lists):
        return None
    return delta


def decode_texts(run: Run) -> str | None:
    """Return the texts of a run as one; None if one of them is empty or no valid string."""
    if b"" in run.values:
        return None
    try:
        if b"\\" in run.joined:
            return "".join([_decode_string(QUOTE + value + QUOTE) for value in run.values])
        if run.joined.isascii():
            return run.joined.decode()
        # Each on its own: a character that is split between two events is valid in neither.
        return "".join([value.decode() for value in run.values])
    except ValueError:
        return None
