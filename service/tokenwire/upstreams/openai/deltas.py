"""Merges what arrives from the upstream together."""

from dataclasses import dataclass, field

from tokenwire.core.domain import Delta, ToolCall, join_pieces
from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai.reader import AnswerReader


@dataclass(slots=True)
class _Merger:
    """Collects the parts of an answer, in the order of a Delta's parts, and makes the deltas.

    Attributes:
        merge: Whether parts of several events become one Delta.
        show_reasoning: Whether deltas contain reasoning.
        deltas: The deltas so far.
        reasonings: The reasoning that is not in a delta yet.
        texts: The texts after it.
        calls: The pieces of tool calls; only if there are no reasoning and no texts.
    """

    merge: bool
    show_reasoning: bool
    deltas: list[Delta] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def add(self, text: str, reader: AnswerReader) -> None:
        """Add what the reader found in an event."""
        reasoning = reader.reasoning if self.show_reasoning else ""
        if reader.logprobs:
            # Not merged: few requests ask for them, and each belongs to its text.
            self.flush()
            self.deltas.append(Delta(text, 1, reasoning, reader.calls, reader.logprobs))
            return
        if (self.calls and (text or reasoning)) or (self.texts and reasoning):
            self.flush()
        if reasoning:
            self.reasonings.append(reasoning)
        if text:
            self.texts.append(text)
        if reader.calls:
            if self.texts or self.reasonings:
                self.flush()
            self.calls += reader.calls

    def flush(self) -> None:
        """Make deltas of what is not in one yet."""
        reasonings, texts, calls = self.reasonings, self.texts, self.calls
        if not self.merge:
            self.deltas += [Delta("", 1, each) for each in reasonings]
            self.deltas += [Delta(each) for each in texts]
            self.deltas += [Delta("", tool_calls=(each,)) for each in calls]
        elif texts or reasonings:
            delta = Delta("".join(texts), len(texts) + len(reasonings), "".join(reasonings))
            self.deltas.append(delta)
        elif calls:
            self.deltas.append(Delta("", len(calls), tool_calls=tuple(join_pieces(calls))))
        self.reasonings, self.texts, self.calls = [], [], []


def read_deltas(
    reader: AnswerReader, batch: list[Event], *, merge: bool, show_reasoning: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Decode and clear `batch`; return its deltas and the failure that ended them, or None."""
    merger = _Merger(merge, show_reasoning)
    texts = merger.texts
    failure = None
    for event in batch:
        try:
            text = reader.add(event)
        except ServiceError as error:
            if not reader.complete:
                failure = error
                break
            reader.deferred_error = reader.deferred_error or error
            continue
        if reader.reasoning or reader.calls or reader.logprobs or merger.calls:
            merger.add(text, reader)
            texts = merger.texts
        elif text:
            texts.append(text)
    # Frees the events: the caller's frame refers to the list while it waits for its reader.
    batch.clear()
    if len(texts) == 1 and not merger.reasonings:
        merger.deltas.append(Delta(texts[0]))
    else:
        merger.flush()
    return merger.deltas, failure
