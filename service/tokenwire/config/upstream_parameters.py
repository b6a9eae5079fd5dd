"""The forms in which upstreams take parameters that have no common name, and their tokenizers."""

from typing import Literal, TypeAlias

Dialect: TypeAlias = Literal["auto", "chat", "responses"]
"""The upstream's API: chat completions, responses, or the one that suits the address."""

ReasoningParameter: TypeAlias = Literal[
    "reasoning_effort", "reasoning", "thinking", "chat_template_kwargs"
]
"""The names of the upstream's parameter for reasoning:

- `reasoning_effort`: the effort as a string (OpenAI and most others).
- `reasoning`: an object with `effort` or `max_tokens` (OpenRouter).
- `thinking`: an object with `type` and `budget_tokens` (Anthropic, DeepSeek, Z.ai).
- `chat_template_kwargs`: an object with `enable_thinking` (vLLM and SGLang with Qwen's models).
"""

ConstraintParameter: TypeAlias = Literal["none", "structured_outputs", "guided", "sglang"]
"""How the upstream takes regular expressions, grammars and choices:

- `none`: it does not (OpenAI and most others).
- `structured_outputs`: an object with `regex`, `grammar` or `choice` (vLLM from 0.11).
- `guided`: `guided_regex`, `guided_grammar` or `guided_choice` (earlier vLLM).
- `sglang`: `regex` or `ebnf` (SGLang).
"""

Tokenizer: TypeAlias = Literal["none", "vllm"]
"""What counts the tokens of a prompt:

- `none`: nothing; the service estimates.
- `vllm`: `/tokenize` beside the API, which takes a conversation (vLLM).
"""
