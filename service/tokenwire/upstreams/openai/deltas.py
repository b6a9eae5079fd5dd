"""Merges what arrives from the upstream together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tokenwire.core.domain import Delta, ToolCall, join_pieces
from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run
from tokenwire.upstreams.openai.reader import AnswerReader
from tokenwire.upstreams.openai.text_templates import RUN_EVENTS


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
        joined: How many more events than texts there are: the texts of a run are one.
    """

    merge: bool
    show_reasoning: bool
    deltas: list[Delta] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    joined: int = 0

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

    def add_run(self, run: Run, reader: AnswerReader) -> ServiceError | None:
        """Add the texts of a run; return the failure that ended them, or None."""
        text = reader.add_run(run)
        if text is None:
            return add_each(reader, run.events(), lambda text: self.add(text, reader))
        if self.calls:
            self.flush()
        self.texts.append(text)
        self.joined += len(run.values) - 1
        return None

    def flush(self) -> None:
        """Make deltas of what is not in one yet."""
        reasonings, texts, calls = self.reasonings, self.texts, self.calls
        if not self.merge:
            self.deltas += [Delta("", 1, each) for each in reasonings]
            self.deltas += [Delta(each) for each in texts]
            self.deltas += [Delta("", tool_calls=(each,)) for each in calls]
        elif texts or reasonings:
            tokens = len(texts) + self.joined + len(reasonings)
            self.deltas.append(Delta("".join(texts), tokens, "".join(reasonings)))
        elif calls:
            self.deltas.append(Delta("", len(calls), tool_calls=tuple(join_pieces(calls))))
        self.reasonings, self.texts, self.calls, self.joined = [], [], [], 0


def add_each(
    reader: AnswerReader, events: Iterable[Event], use: Callable[[str], None]
) -> ServiceError | None:
    """Add events to `reader` and call `use` with the text of each.

    Returns:
        The failure that ended them, or None. After the text is complete, a failure is deferred.
    """
    for event in events:
        try:
            text = reader.add(event)
        except ServiceError as error:
            if not reader.complete:
                return error
            reader.deferred_error = reader.deferred_error or error
        else:
            use(text)
    return None


def read_deltas(
    reader: AnswerReader, batch: list[Event | Run], *, merge: bool, show_reasoning: bool
) -> tuple[list[Delta], ServiceError | None]:
    """Decode and clear `batch`; return its deltas and the failure that ended them, or None."""
    merger = _Merger(merge, show_reasoning)
    texts = merger.texts
    texts_before = reader.texts
    failure = None
    # As `add_each`, without its calls: this runs once per token.
    for event in batch:
        if isinstance(event, Run):
            failure = merger.add_run(event, reader)
            if failure:
                break
            texts = merger.texts
            continue
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
    if reader.templates and reader.texts >= texts_before + RUN_EVENTS:
        reader.templates.learn(batch)
    # Frees the events: the caller's frame refers to the list while it waits for its reader.
    batch.clear()
    if len(texts) == 1 and not merger.reasonings:
        merger.deltas.append(Delta(texts[0], 1 + merger.joined))
    else:
        merger.flush()
    return merger.deltas, failure
