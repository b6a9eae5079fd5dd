"""Runs one unary call for a subcommand, and reports its failure."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tokenwire.cli._answer import describe, make_client
from tokenwire.cli._streams import EXIT_FAILED, EXIT_INTERRUPTED
from tokenwire.cli._text import printable_line
from tokenwire_client import ChatError, Client

Response = TypeVar("Response")


def call_and_show(
    args: argparse.Namespace,
    call: Callable[[Client], Awaitable[Response]],
    show: Callable[[Response], None],
) -> int:
    """Call a server, show the response and return the exit code.

    Args:
        args: The parsed connection options.
        call: Makes the call.
        show: Prints the response.
    """

    async def run() -> Response:
        async with make_client(args) as client:
            return await call(client)

    try:
        response = asyncio.run(run())
    except KeyboardInterrupt:
        return _fail("cancelled", EXIT_INTERRUPTED)
    except ChatError as error:
        return _fail(describe(error, args), EXIT_FAILED)
    except ValueError as error:
        return _fail(f"error: {error}", EXIT_FAILED)
    show(response)
    return 0


def _fail(line: str, code: int) -> int:
    print(printable_line(line), file=sys.stderr)
    return code
