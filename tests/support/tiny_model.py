"""A model for llama.cpp's server, which needs no download: each token has fixed successors.

A token's embedding is the unit vector of its number, and attention and feed-forward layers add
nothing, so the last token alone decides about the next one: a column of the output matrix has the
weights of its successors. The model thinks, then answers with one sentence. Where a grammar or a
bias forbids the best successor, it writes a tool call, JSON, or the sentence again and again.
"""

from itertools import pairwise
from pathlib import Path
from typing import Final

from support.gguf import Tensor, Value, write

CONTEXT: Final = 1 << 16
"""How many tokens a prompt and its answer may have."""
THOUGHT: Final = "Let me think"
TEXT: Final = "The tiny model lives in Zürich."
TOOL: Final = "get_weather"
ARGUMENTS: Final = {"city": "Oslo"}
END: Final = "<|im_end|>"
CALL: Final = "<tool_call>"

SPECIAL: Final = ("<|im_start|>", END, "<think>", "</think>", CALL, "</tool_call>")
# As in real models, ü has a token for each of its bytes.
SENTENCE: Final = (
    "\n\n",
    "The",
    " tiny",
    " model",
    " lives",
    " in",
    " Z",
    b"\xc3",
    b"\xbc",
    "rich",
)
CALL_NAME: Final = (CALL, "\n", '{"', "name", '": "', TOOL, '", "')
CALL_ARGUMENTS: Final = ("arguments", '": {"', "city", '":"', "Oslo", '"}}', "\n")
BEST, SECOND, THIRD = 2.0, 1.0, 0.5
CHAINS: Final[tuple[tuple[float, tuple[str | bytes, ...]], ...]] = (
    (BEST, ("\n", "<think>", "Let", " me", " think", "</think>", "\n\n")),
    (BEST, (*SENTENCE, ".", END)),
    (SECOND, (".", *CALL_NAME, *CALL_ARGUMENTS)),
    (THIRD, ("\n", "</tool_call>", END)),
    (THIRD, ('"}}', END)),
    (THIRD, (".", "\n\n")),
    (SECOND, ("\n\n", '{"')),
    (THIRD, ('{"', "city")),
    (THIRD, ("Oslo", '"}', END)),
)
"""Words, each of which follows the one before it, and with which weight."""
WORDS: Final = [word for _, chain in CHAINS for word in chain]

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
"""The types of tokens."""


def byte_letters() -> list[str]:
    """Return the letter that each byte has in a vocabulary of GPT-2's kind."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = (chr(number) for number in range(256, 512))
    return [chr(byte) if byte in shown else next(hidden) for byte in range(256)]


def spelling(word: str | bytes) -> str:
    """Return the token of a word."""
    if word in SPECIAL:
        return str(word)
    letters = byte_letters()
    return "".join(letters[byte] for byte in (word.encode() if isinstance(word, str) else word))


def write_model(path: Path) -> None:
    """Write the model into a file of llama.cpp's format."""
    plain = dict.fromkeys([*byte_letters(), *(spelling(w) for w in WORDS if w not in SPECIAL)])
    tokens = [*plain, *SPECIAL]
    types = [CONTROL if "|" in token else USER_DEFINED for token in SPECIAL]
    values: dict[str, Value] = {
        "general.architecture": "llama",
        "llama.context_length": CONTEXT,
        "llama.embedding_length": len(tokens),
        "llama.feed_forward_length": 32,
        "llama.block_count": 1,
        "llama.attention.head_count": 1,
        "llama.attention.head_count_kv": 1,
        "llama.attention.key_length": 32,
        "llama.attention.value_length": 32,
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "llama.rope.dimension_count": 32,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [NORMAL] * len(plain) + types,
        "tokenizer.ggml.merges": [" ".join(spelling("\n\n"))],
        "tokenizer.ggml.eos_token_id": tokens.index(END),
        "tokenizer.ggml.add_bos_token": False,
    }
    write(path, values, tensors(tokens))


def tensors(tokens: list[str]) -> dict[str, Tensor]:
    """Return the model's tensors; its width is the number of tokens."""
    width = len(tokens)
    embedding, output = [0.0] * width**2, [0.0] * width**2
    for number in range(width):
        embedding[number * width + number] = 1.0
    for weight, chain in CHAINS:
        for word, successor in pairwise(map(tokens.index, map(spelling, chain))):
            output[successor * width + word] = weight
    ones = Tensor(width, [1.0] * width, matrix=False)
    narrow, wide = Tensor(width, [0.0] * width * 32), Tensor(32, [0.0] * width * 32)
    layer = {
        "attn_norm": ones,
        "attn_q": narrow,
        "attn_k": narrow,
        "attn_v": narrow,
        "attn_output": wide,
        "ffn_norm": ones,
        "ffn_gate": narrow,
        "ffn_up": narrow,
        "ffn_down": wide,
    }
    return {
        "token_embd.weight": Tensor(width, embedding),
        "output_norm.weight": ones,
        "output.weight": Tensor(width, output),
        **{f"blk.0.{name}.weight": tensor for name, tensor in layer.items()},
    }
