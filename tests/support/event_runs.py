"""Reads a stream with runs of alike events and without, to compare the two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from support.raw_upstream import Piece
from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Completion, Delta, ToolCall, Usage
from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.event_runs import Run
from tokenwire.upstreams.http.sse import EventReader
from tokenwire.upstreams.openai.chunks import ChunkReader
from tokenwire.upstreams.openai.deltas import read_deltas
from tokenwire.upstreams.openai.text_templates import RUN_EVENTS, text_template

MAX_EVENT_BYTES = 1 << 16


@dataclass
class Reading:
    """What became of a stream.

    Attributes:
        deltas: The deltas of each read.
        end: The end of the answer, or the reason of its failure.
        usage: The usage before the end.
        complete: Whether the text was complete.
        ended: Whether the last event of the stream arrived.
        runs: How many events were read in runs; not compared.
        ids: The ids of tool calls, which are random if the upstream gives none; not compared.
    """

    deltas: list[list[Delta]]
    end: Completion | str
    usage: Usage | None
    complete: bool
    ended: bool
    runs: int
    ids: list[str] = field(default_factory=list)

    def add(self, deltas: list[Delta]) -> None:
        """Add the deltas of a read, with the number of each tool call as its id."""
        for delta in deltas:
            self.ids += [each.id for each in delta.tool_calls if each.id not in self.ids]
        self.deltas.append([replace(delta, tool_calls=self._numbered(delta)) for delta in deltas])

    def _numbered(self, delta: Delta) -> tuple[ToolCall, ...]:
        return tuple(replace(each, id=str(self.ids.index(each.id))) for each in delta.tool_calls)


def read(reads: Iterable[bytes], *, runs: bool, tools: bool = False) -> Reading:
    """Read a stream that arrives in these reads."""
    events = EventReader(MAX_EVENT_BYTES, last=b"[DONE]")
    reader = ChunkReader(StateCodec("http://upstream.test", "chat") if tools else None)
    if runs:
        events.templates = reader.templates
    reading = Reading([], "", None, complete=False, ended=False, runs=0)
    failure: ServiceError | None = None
    for data in reads:
        batch = events.feed_runs(data)
        reading.runs += sum(len(each.values) for each in batch if isinstance(each, Run))
        deltas, failure = read_deltas(reader, batch, merge=True, show_reasoning=True)
        reading.add(deltas)
        failure = failure or events.failure
        if failure:
            break
    reading.usage, reading.complete, reading.ended = reader.usage, reader.complete, events.ended
    if failure:
        reading.end = failure.reason
        return reading
    try:
        rest, reading.end = reader.end()
    except ServiceError as error:
        reading.end = error.reason
    else:
        reading.add(rest)
    return reading


def assert_alike(reads: Sequence[bytes], *, tools: bool = False) -> int:
    """Assert that runs change nothing about a stream; return how many events were read in runs."""
    one_by_one = read(reads, runs=False, tools=tools)
    in_runs = read(reads, runs=True, tools=tools)
    found, in_runs.runs, in_runs.ids = in_runs.runs, 0, one_by_one.ids
    assert in_runs == one_by_one
    return found


def assert_runs_change_nothing(pieces: Iterable[Piece]) -> None:
    """Assert it for the body of a literal response, after events that are like its own."""
    whole = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    body = whole.partition(b"\r\n\r\n")[2]
    prelude = b""
    for event in EventReader(MAX_EVENT_BYTES, last=b"").feed(body):
        if template := text_template(event):
            prelude = (b"data: " + template.event(b"so").data + b"\n\n") * RUN_EVENTS
            break
    alike = prelude.replace(b"so", rb"s\"o")
    middle = len(body) // 2
    for tools in (False, True):
        assert_alike([prelude, body], tools=tools)
        assert_alike([prelude, prelude + body + prelude], tools=tools)
        assert_alike([prelude, prelude + alike + body], tools=tools)
        assert_alike([prelude, prelude + body[:middle], body[middle:]], tools=tools)
