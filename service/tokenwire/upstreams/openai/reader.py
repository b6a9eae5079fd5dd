"""The interface of the readers of an upstream's events."""

from typing import Protocol

from tokenwire.core.domain import Completion, Delta, Stage, TokenLogprob, ToolCall, Usage
from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.http.event_runs import Run
from tokenwire.upstreams.openai.text_templates import TextTemplates


class AnswerReader(Protocol):
    """Accumulates the events of one answer.

    Attributes:
        complete: Whether the text is complete.
        ended: Whether the last event of the stream has arrived.
        texts: The number of events with text so far.
        others: The number of events with reasoning or pieces of tool calls so far.
        reasoning: The reasoning in the latest event, or empty.
        calls: The pieces of tool calls in the latest event, if the request asks for pieces.
        stage: The latest stage that began before the first text; None if none has.
        usage: The usage so far; None if it is unknown.
        logprobs: The log probabilities in the latest event, if the request asks for them.
        deferred_error: The first failure after the text was complete. It is raised only if more
            text follows, because then text may be missing.
    """

    complete: bool
    ended: bool
    texts: int
    others: int
    reasoning: str
    calls: tuple[ToolCall, ...]
    stage: Stage | None
    usage: Usage | None
    logprobs: tuple[TokenLogprob, ...]
    deferred_error: ServiceError | None

    @property
    def templates(self) -> TextTemplates | None:
        """Finds runs of events that differ only in their text; None if events never do."""
        ...

    def add(self, event: Event) -> str:
        """Add an event and return its text, which may be empty.

        Raises:
            ServiceError: The event reports an error or cannot be decoded, or it has text and
                follows an event that could not be decoded.
        """
        ...

    def add_run(self, run: Run) -> str | None:
        """Add a run of events that `templates` found and return their text.

        None means that nothing was added: its events must be added one by one.
        """
        ...

    def end(self) -> tuple[list[Delta], Completion]:
        """Return the deltas that remain and the end of the answer.

        What remains are the tool calls, or what remains of their pieces.

        Raises:
            UpstreamTruncated: The answer is not complete.
            UpstreamToolCallInvalid: A tool call is invalid.
            ContentFiltered: The upstream's content filter ended the answer.
            UpstreamError: The finish reason reports that generation was interrupted.
        """
        ...
