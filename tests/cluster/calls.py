"""Begins calls at once and tells how each began: calls.py CONFIGURATION.

CONFIGURATION is JSON: `targets`, to each of which `calls` are begun at once, with a `key` or a
`token_file` or neither, and `hold`: whether the answers run on until this program is killed. The
first line of JSON has for each target a list with the status and reason of each call, or `answered`
after its first token. With `hold`, each line on standard input is answered by one of those calls
that have ended.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from tokenwire_client import ChatError, Client

SHORT = "[[demo: tokens 3; finish; usage; done]]"
LONG = "[[demo: pace tokens-per-second=5; tokens 3000; finish; usage; done]]"


class Call:
    """A call.

    Args:
        client: The client that makes it.
        hold: Whether its answer is long.
    """

    def __init__(self, client: Client, *, hold: bool) -> None:
        self.began: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(client, LONG if hold else SHORT))

    async def _run(self, client: Client, prompt: str) -> str:
        try:
            async for answer in client.send(prompt, timeout=600):
                if answer.content and not self.began.done():
                    self.began.set_result("answered")
        except ChatError as error:
            outcome = f"{error.code.name} {error.reason}".rstrip()
        except Exception as error:  # noqa: BLE001 - an outcome that no test expects
            outcome = repr(error)
        else:
            outcome = "finished"
        if not self.began.done():
            self.began.set_result(outcome)
        return outcome


async def main() -> None:
    """Make the calls."""
    configuration: dict[str, Any] = json.loads(sys.argv[1])
    hold = configuration.get("hold", False)
    key, token_file = configuration.get("key"), configuration.get("token_file")
    async with AsyncExitStack() as stack:
        calls: dict[str, list[Call]] = {}
        for target in configuration["targets"]:
            client = Client(target, key=key, token_file=token_file, max_attempts=1)
            await stack.enter_async_context(client)
            number = configuration.get("calls", 1)
            calls[target] = [Call(client, hold=hold) for _ in range(number)]
        write({name: [await call.began for call in each] for name, each in calls.items()})
        while hold and await asyncio.to_thread(sys.stdin.readline):
            write(
                {
                    name: [call.task.result() for call in each if call.task.done()]
                    for name, each in calls.items()
                }
            )


def write(found: dict[str, list[str]]) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
