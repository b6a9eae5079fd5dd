"""Stops an answer after some words; the model stops writing it too.

python cancel.py localhost:50051 "Why is the sky blue?"
"""

import asyncio
import sys

from tokenwire_client import ChatError, Client

WORDS = 5


async def main(target: str, text: str) -> None:
    """Print the first words of the answer, then cancel the call."""
    async with Client(target) as client, client.send(text, timeout=60) as stream:
        words = 0
        async for answer in stream:
            print(answer.content, end="", flush=True)
            words += len(answer.content.split())
            if words >= WORDS:
                # Leaving the block cancels the call.
                print(" [cancelled]")
                break


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program, the target and the text
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2]))
    except ChatError as error:
        sys.exit(str(error))
