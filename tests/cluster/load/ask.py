"""Asks one question after another, and counts the answers: ask.py CONFIGURATION.

CONFIGURATION is JSON: `target`, and optionally `key`, the key of the caller, and `tls`, as load.py
describes it. A line on standard input is answered by one line of JSON: how often each answer came,
the `last` one, and the `failures` since the beginning. After the line `end`, the last line of JSON
follows.
"""

import asyncio
import json
import sys
from collections import Counter
from typing import Any, Final

from load import client_of, time_stamped, write

from tokenwire_client import ChatError

PAUSE_SECONDS: Final = 0.05


class Asking:
    """The answers of one client.

    Args:
        configuration: The content of CONFIGURATION.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._client = client_of(configuration)
        self._answers: Counter[str] = Counter()
        self._failures: list[str] = []
        self._last = ""

    def report(self) -> str:
        """Return the line of JSON."""
        found = {"answers": self._answers, "last": self._last, "failures": self._failures}
        return json.dumps(found)

    async def run(self) -> None:
        """Ask until this task is cancelled."""
        async with self._client:
            while True:
                await self._ask()
                await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self) -> None:
        try:
            self._last = (await self._client.ask("Which key?", timeout=30)).content
        except ChatError as error:
            self._last = error.reason or error.code.name
            self._failures.append(time_stamped(str(error)))
        else:
            self._answers[self._last] += 1


async def main() -> None:
    """Run until the line `end`."""
    asking = Asking(json.loads(sys.argv[1]))
    running = asyncio.create_task(asking.run())
    while (line := await asyncio.to_thread(sys.stdin.readline)) and line.strip() != "end":
        write(asking.report())
    running.cancel()
    write(asking.report())


if __name__ == "__main__":
    asyncio.run(main())
