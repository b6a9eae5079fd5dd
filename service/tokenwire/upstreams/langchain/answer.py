"""Accumulates the chunks of one answer of a LangChain chat model."""

from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from tokenwire.core.domain import Completion, Delta, FinishReason, Stage, Usage
from tokenwire.core.errors import UpstreamProtocolError, UpstreamTruncated
from tokenwire.upstreams.answer_names import name_of
from tokenwire.upstreams.langchain.facts import Facts
from tokenwire.upstreams.leading_blank import LeadingBlank
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.tool_call_assembler import ToolCallAssembler, ToolCallPiece


class LangChainReader:
    """Reads the chunks of one answer.

    Args:
        facts: What the response says, which the reader's user updates; None if only the chunks
            are known. Without it, the end of the stream counts as the finish reason `stop`.
        show_reasoning: Whether deltas contain reasoning.
        has_tools: Whether the request has tools. Then leading white space is held back until other
            text arrives, and dropped if the answer has tool calls and no other text.
        in_pieces: Whether deltas contain pieces of tool calls instead of whole ones.

    Attributes:
        progress: The number of chunks with text, reasoning or pieces of tool calls so far.
        stage: The latest stage that began before the first text; None if none has.
    """

    def __init__(
        self,
        facts: Facts | None,
        *,
        show_reasoning: bool,
        has_tools: bool,
        in_pieces: bool = False,
    ) -> None:
        self.progress = 0
        self._has_text = False
        self.stage: Stage | None = None
        self._facts = facts
        self._show_reasoning = show_reasoning
        self._has_tools = has_tools
        self._blank = LeadingBlank(holding=has_tools)
        self._assembler = ToolCallAssembler(in_pieces=in_pieces)
        self._usage: UsageMetadata | None = None
        self._metadata: dict[str, Any] = {}

    @property
    def complete(self) -> bool:
        """Whether a finish reason has arrived."""
        return bool(self._finish_reason())

    def add(self, chunk: ChatGenerationChunk) -> Delta | None:
        """Add a chunk and return its delta, or None if the caller receives nothing.

        Raises:
            ServiceError: A piece of a tool call is invalid.
        """
        message = chunk.message
        text, reasoning = chunk.text, _reasoning(message)
        pieces = _pieces(message)
        if self._facts is not None:
            pieces += self._facts.take_pieces()
        if text or reasoning or pieces or message.content:
            self.progress += 1
        for piece in pieces:
            self._assembler.add(piece)
        self._metadata |= message.response_metadata | (chunk.generation_info or {})
        self._metadata |= {"id": message.id} if message.id else {}
        if self._facts is None and isinstance(message, AIMessageChunk):
            self._usage = add_usage(self._usage, message.usage_metadata)
        if text and self._blank.holding:
            text = self._blank.add(text)
        if reasoning and not self._has_text:
            self.stage = Stage.THINKING
        self._has_text = self._has_text or bool(text)
        shown = reasoning if self._show_reasoning else ""
        calls = self._assembler.take()
        return Delta(text, 1, shown, calls) if text or shown or calls else None

    def end(self) -> tuple[list[Delta], Completion]:
        """Return the deltas that remain and the end of the answer.

        What remains are the tool calls, or what remains of their pieces.

        Raises:
            UpstreamTruncated: No finish reason has arrived.
            UpstreamToolCallInvalid: A tool call is invalid.
            ContentFiltered: The upstream's content filter ended the answer.
            UpstreamError: The finish reason reports that generation was interrupted.
        """
        if self._facts is not None:
            for piece in self._facts.take_pieces():
                self._assembler.add(piece)
            if not self.complete:
                raise UpstreamTruncated
        # Models outside the OpenAI family may report no reason; the end of the stream is "stop".
        reason = finish_reason(self._finish_reason() or "stop")
        deltas = [Delta(text) for text in self._blank.rest()]
        if self._assembler:
            deltas = [Delta("", tool_calls=(call,)) for call in self._assembler.finish()]
            reason = FinishReason.TOOL_CALLS
        return deltas, self._completion(reason)

    def _finish_reason(self) -> str:
        if self._facts is not None:
            return self._facts.finish_reason
        names = ("finish_reason", "stop_reason", "done_reason")
        found = next(filter(None, map(self._metadata.get, names)), "")
        return str(found)

    def _completion(self, reason: FinishReason) -> Completion:
        facts, metadata = self._facts, self._metadata
        if facts is not None:
            state = facts.state if self._has_tools else b""
            return Completion(
                reason, self.usage, name_of(facts.model), name_of(facts.id), state=state
            )
        model = metadata.get("model_name") or metadata.get("model") or ""
        return Completion(
            reason, self.usage, name_of(str(model)), name_of(str(metadata.get("id") or ""))
        )

    @property
    def usage(self) -> Usage | None:
        """The usage so far; None if it is unknown."""
        return _usage(self._usage) if self._facts is None else self._facts.usage


def _reasoning(message: BaseMessage) -> str:
    if isinstance(message.content, str) and not message.additional_kwargs:
        return ""
    try:
        blocks = message.content_blocks
    except Exception:  # noqa: BLE001 - each provider has a translator of its own
        raise UpstreamProtocolError from None
    return "".join(block.get("reasoning", "") for block in blocks if block["type"] == "reasoning")


def _pieces(message: BaseMessage) -> list[ToolCallPiece]:
    if not isinstance(message, AIMessageChunk):
        return []
    return [_piece(chunk) for chunk in message.tool_call_chunks]


def _piece(chunk: ToolCallChunk) -> ToolCallPiece:
    index = chunk.get("index")
    return ToolCallPiece(
        index if isinstance(index, int) else None,
        chunk.get("id") or "",
        chunk.get("name") or "",
        chunk.get("args") or "",
    )


def _usage(reported: UsageMetadata | None) -> Usage | None:
    if not reported or not reported["total_tokens"]:
        return None
    return Usage(
        input_tokens=reported["input_tokens"],
        output_tokens=reported["output_tokens"],
        cached_input_tokens=reported.get("input_token_details", {}).get("cache_read", 0),
        reasoning_tokens=reported.get("output_token_details", {}).get("reasoning", 0),
    )
