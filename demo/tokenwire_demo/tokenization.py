"""The response of vLLM's tokenizer, for the demo model's tokens: words."""

import zlib

from tokenwire_demo.answer import Token, tokenize
from tokenwire_demo.single_json import SingleJson

_VOCABULARY = 50_000
_CONTEXT_TOKENS = 131_072


class Tokenization(SingleJson):
    """The tokens of a request's messages. The steps of a regular answer send no text."""

    def next_tokens(self, count: int | None = None) -> tuple[Token, ...]:
        """Return no tokens of an answer."""
        del count
        return ()

    def _object(self) -> dict[str, object]:
        tokens = [
            zlib.crc32(token.encode()) % _VOCABULARY
            for text in self.request.texts
            for token in tokenize(text)
        ]
        return {"count": len(tokens), "max_model_len": _CONTEXT_TOKENS, "tokens": tokens}
