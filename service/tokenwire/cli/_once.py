import argparse
import asyncio
import sys

from tokenwire.cli._answer import describe, make_client
from tokenwire.cli._console import ConsoleOutput
from tokenwire.cli._rounds import answer_message
from tokenwire.cli._streams import EXIT_FAILED, EXIT_INTERRUPTED
from tokenwire_client import ChatError


def answer(args: argparse.Namespace) -> int:
    """Stream the answer to one message, from TEXT or stdin, and return the exit code."""
    output = ConsoleOutput()
    try:
        text = _read_stdin() if args.text in {None, "-"} else args.text
        asyncio.run(_answer(args, text, output))
    except KeyboardInterrupt:
        output.note("cancelled")
        return EXIT_INTERRUPTED
    except ChatError as error:
        output.note(describe(error, args))
        return EXIT_FAILED
    except ValueError as error:
        output.note(f"error: {error}")
        return EXIT_FAILED
    return 0


async def _answer(args: argparse.Namespace, text: str, output: ConsoleOutput) -> None:
    async with make_client(args) as client:
        await answer_message(client, args, text, (), output)


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"stdin is not valid UTF-8 at byte {error.start}") from None
