"""Converts the answers of the contract to LangChain's messages."""

import base64
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk

from tokenwire_client.langchain.conversation import CALL_STATES, REASONING, STATE
from tokenwire_client.v1.chatgpt_pb2 import Answer, FinishReason, TokenLogprob, ToolCall, Usage

PROVIDER: Final = "tokenwire"

FINISH_REASONS: Final = {
    FinishReason.FINISH_REASON_STOP: "stop",
    FinishReason.FINISH_REASON_LENGTH: "length",
    FinishReason.FINISH_REASON_TOOL_CALLS: "tool_calls",
}


class MessageReader:
    """Converts the Answers of one call, in their order.

    Args:
        blocks: Whether the content of chunks is LangChain's standard blocks, not text. LangChain
            would number text and tool calls independently, and merge those of one number.
    """

    def __init__(self, *, blocks: bool = False) -> None:
        self._in_blocks = blocks
        self._call_ids: dict[int, str] = {}
        self._block = 0
        self._block_type = ""

    def chunk(self, answer: Answer) -> ChatGenerationChunk:
        """Return the chunk for a piece of an answer."""
        metadata = _metadata(answer)
        if self._in_blocks:
            metadata["output_version"] = "v1"
        message = AIMessageChunk(
            content=self._blocks(answer) if self._in_blocks else answer.content,
            additional_kwargs=self._additional(answer),
            response_metadata=metadata,
            tool_call_chunks=[
                tool_call_chunk(
                    name=call.name or None,
                    args=call.arguments,
                    id=call.id or None,
                    index=call.index,
                )
                for call in answer.tool_calls
            ],
            usage_metadata=_usage(answer.usage) if answer.HasField("usage") else None,
            chunk_position="last" if answer.finish_reason else None,
        )
        return ChatGenerationChunk(message=message, generation_info=_logprobs(answer))

    def whole(self, answer: Answer) -> ChatGeneration:
        """Return the generation for a whole answer."""
        chunk = self.chunk(answer)
        read = chunk.message
        assert isinstance(read, AIMessageChunk)  # noqa: S101 - as `chunk` makes it
        message = AIMessage(
            content=answer.content,
            additional_kwargs=read.additional_kwargs,
            response_metadata={**read.response_metadata, **(chunk.generation_info or {})},
            tool_calls=read.tool_calls,
            invalid_tool_calls=read.invalid_tool_calls,
            usage_metadata=read.usage_metadata,
        )
        return ChatGeneration(message=message, generation_info=chunk.generation_info)

    def _additional(self, answer: Answer) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if answer.reasoning and not self._in_blocks:
            found[REASONING] = answer.reasoning
        if answer.state:
            found[STATE] = _text(answer.state)
        states = {self._id_of(call): _text(call.state) for call in answer.tool_calls}
        if any(states.values()):
            found[CALL_STATES] = {id_: state for id_, state in states.items() if state}
        return found

    def _blocks(self, answer: Answer) -> list[str | dict[str, Any]]:
        found: list[str | dict[str, Any]] = []
        for kind, text in (("reasoning", answer.reasoning), ("text", answer.content)):
            if text:
                self._block += kind != self._block_type
                self._block_type = kind
                found.append({"type": kind, kind: text, "index": f"lc_{kind}_{self._block}"})
        for call in answer.tool_calls:
            self._block_type = "tool_call_chunk"
            block = {"id": call.id or None, "name": call.name or None, "args": call.arguments}
            found.append({"type": self._block_type, **block, "index": f"lc_call_{call.index}"})
        return found

    def _id_of(self, call: ToolCall) -> str:
        """Return the id of a call, which only its first piece has."""
        return self._call_ids.setdefault(call.index, call.id)


def _metadata(answer: Answer) -> dict[str, Any]:
    if not answer.finish_reason:
        return {"model_provider": PROVIDER}
    found: dict[str, Any] = {
        "model_provider": PROVIDER,
        "model_name": answer.model,
        "finish_reason": FINISH_REASONS.get(answer.finish_reason, "other"),
    }
    if answer.id:
        found["id"] = answer.id
    if answer.refused:
        found["refused"] = True
    if answer.HasField("route"):
        found["route"] = {"upstream": answer.route.upstream, "attempts": answer.route.attempts}
    if answer.usage.cost_nanodollars:
        found["cost_nanodollars"] = answer.usage.cost_nanodollars
    if answer.usage.estimated:
        found["usage_estimated"] = True
    if answer.citations:
        found["citations"] = [
            {"url": each.url, "title": each.title, "start": each.start, "end": each.end}
            for each in answer.citations
        ]
    return found


def _usage(usage: Usage) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_token_details=InputTokenDetails(
            cache_read=usage.cached_input_tokens,
            cache_creation=usage.cache_write_input_tokens,
            audio=usage.audio_input_tokens,
        ),
        output_token_details=OutputTokenDetails(
            reasoning=usage.reasoning_tokens, audio=usage.audio_output_tokens
        ),
    )


def _logprobs(answer: Answer) -> dict[str, Any] | None:
    """Return the log probabilities in the form of OpenAI's chat completions."""
    if not answer.logprobs:
        return None
    return {"logprobs": {"content": [_logprob(token) for token in answer.logprobs]}}


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.raw) or None,
        "top_logprobs": [
            {"token": each.token, "logprob": each.logprob, "bytes": list(each.raw) or None}
            for each in token.top
        ],
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
