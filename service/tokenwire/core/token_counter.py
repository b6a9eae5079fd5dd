"""The interface of token counters, and the estimate where there is none."""

from dataclasses import dataclass
from typing import Final, Protocol

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import ChatRequest, Detail, JsonSchema, Part, Turn
from tokenwire.core.large_work import next_step

BYTES_PER_TOKEN: Final = 4
"""OpenAI's rule of thumb for English, in characters. Of other scripts, tokenizers make more tokens
per character, and UTF-8 more bytes, so bytes are closer than characters.
https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them"""
TOKENS_PER_MESSAGE: Final = 3
ANSWER_TOKENS: Final = 3
"""The tokens that separate messages, and those that begin the answer, in OpenAI's chat models.
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken"""
IMAGE_TOKENS: Final = 765
SMALL_IMAGE_TOKENS: Final = 85
"""The tokens of an image of 1,024 by 1,024 pixels in OpenAI's models, and of one at low detail.
https://platform.openai.com/docs/guides/images-vision#calculating-costs
Audio, and files other than text, count as one image each, because their content is not read."""
TURNS_PER_STEP: Final = 512


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The number of tokens of a prompt, and whether it is an estimate."""

    input_tokens: int
    estimated: bool


class TokenCounter(Protocol):
    """Counts the tokens of prompts.

    Attributes:
        asks_upstream: Whether counting sends a request.
    """

    asks_upstream: bool

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the number of tokens of a request's prompt.

        Args:
            request: The request.
            call: The record of the call. If `asks_upstream`, the caller has set
                `attempts.started`.

        Raises:
            ServiceError: The model does not support the request, or its tokens cannot be counted.
        """
        ...


class Estimator:
    """Estimates the number of tokens from the size of the texts. It accepts every request."""

    asks_upstream = False

    async def count(self, request: ChatRequest, call: CallRecord) -> TokenCount:
        """Return the estimate; see TokenCounter."""
        del call
        return await estimate(request)


async def estimate(request: ChatRequest) -> TokenCount:
    """Estimate the tokens of a prompt: BYTES_PER_TOKEN, and the constant parts of messages.

    Takes one step of large work per TURNS_PER_STEP turns, but for the first ones.
    """
    history = request.history
    size = _bytes(request.system) + _bytes(request.content)
    for tool in request.tools:
        size += _bytes(tool.name, tool.description, tool.parameters)
    if isinstance(request.format, JsonSchema):
        size += _bytes(request.format.schema)
    for start in range(0, len(history), TURNS_PER_STEP):
        if start:
            await next_step()
        size += sum(map(_turn_bytes, history[start : start + TURNS_PER_STEP]))
    messages = len(history) + bool(request.system) + bool(request.content or request.parts)
    tokens = -(-size // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * messages + ANSWER_TOKENS
    for parts in (request.parts, *[turn.parts for turn in history if turn.parts]):
        for part in parts:
            tokens += _part_tokens(part)
    return TokenCount(tokens, estimated=True)


def _turn_bytes(turn: Turn) -> int:
    size = _bytes(turn.content, turn.reasoning)
    for call in turn.tool_calls:
        size += _bytes(call.name, call.arguments)
    return size


def _part_tokens(part: Part) -> int:
    if part.data and part.media_type.startswith("text/"):
        return -(-len(part.data) // BYTES_PER_TOKEN)
    return SMALL_IMAGE_TOKENS if part.detail is Detail.LOW else IMAGE_TOKENS


def _bytes(*texts: str) -> int:
    size = 0
    for text in texts:
        size += len(text) if text.isascii() else len(text.encode())
    return size
