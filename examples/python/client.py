"""Streams one answer with tokenwire's own client.

python client.py localhost:50051 "Why is the sky blue?"
"""

import asyncio
import sys

from tokenwire_client import ChatError, Client


async def main(target: str, text: str) -> None:
    """Print the answer to `text` while it arrives, then what it used."""
    async with Client(target) as client:
        async for answer in client.send(text, temperature=0.7, timeout=60):
            print(answer.content, end="", flush=True)
            if answer.HasField("usage"):
                usage = answer.usage
                print(f"\n[{usage.input_tokens} tokens in, {usage.output_tokens} out]", end="")
    print()


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program, the target and the text
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2]))
    except ChatError as error:
        # Besides its text it has code, reason, request_id, retry_after and fields.
        sys.exit(str(error))
