"""Keeps answers running and checks each one: load.py CONFIGURATION.

CONFIGURATION is JSON: `target`; `streams`, the number of answers at once; `tokens`, the least and
the most tokens of an answer, which come at 20 tokens/s; `service_config` of gRPC, without which
load.py has that of its client; and optionally `options` of the channel. A line on standard input is
answered by one line of JSON: the answers since the beginning that were complete, those that run,
and the failures. After the line `end`, the running answers finish, and the last line of JSON
follows. load.go and load.js are the same, but only load.py has `key`, the key of the caller, and
`tls`, in PEM: `ca`, the authority of the server, and `certificate` and `key` of the client.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

import grpc

from tokenwire_client import ChatError, Client

TOKENS_PER_SECOND = 20


def client_of(configuration: dict[str, Any]) -> Client:
    """Return the client that a configuration describes."""
    options = dict(configuration.get("options", {}))
    if config := configuration.get("service_config"):
        options["grpc.service_config"] = json.dumps(config)
    credentials = None
    if tls := configuration.get("tls"):
        pem = {name: text.encode() for name, text in tls.items()}
        credentials = grpc.ssl_channel_credentials(
            pem["ca"], pem.get("key"), pem.get("certificate")
        )
    return Client(
        configuration["target"],
        credentials=credentials,
        key=configuration.get("key"),
        options=list(options.items()),
    )


class Load:
    """The answers of one client.

    Args:
        configuration: The content of CONFIGURATION.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._streams: int = configuration["streams"]
        self._least, self._most = configuration["tokens"]
        self._client = client_of(configuration)
        self._ending = asyncio.Event()
        self._complete = 0
        self._begun: set[int] = set()
        self._failures: list[str] = []

    def report(self) -> str:
        """Return the line of JSON."""
        counts = {"complete": self._complete, "running": len(self._begun)}
        return json.dumps(counts | {"failures": self._failures})

    def end(self) -> None:
        """Start no more answers."""
        self._ending.set()

    async def run(self) -> None:
        """Keep answers running until `end`."""
        async with self._client:
            await asyncio.gather(*(self._slot(number) for number in range(self._streams)))

    async def _slot(self, number: int) -> None:
        while not self._ending.is_set():
            await self._answer(number)
            number += self._streams

    async def _answer(self, number: int) -> None:
        count = random.randint(self._least, self._most)  # noqa: S311 - no secret
        word = f"w{number}x"
        pace = f"pace tokens-per-second={TOKENS_PER_SECOND}"
        prompt = f"[[demo: {pace}; filler {count} word={word}; finish; usage; done]]"
        words: list[str] = []
        finished = False
        try:
            async for answer in self._client.send(prompt, timeout=120):
                if answer.content:
                    self._begun.add(number)
                    words.append(answer.content)
                finished = finished or bool(answer.finish_reason)
        except ChatError as error:
            self._fail(f"{error.code.name} {error.reason} after {len(words)} pieces: {error}")
        else:
            found = "".join(words).split()
            if finished and found == [word] * count:
                self._complete += 1
            else:
                self._fail(f"{len(found)} of {count} words, finished: {finished}")
        finally:
            self._begun.discard(number)

    def _fail(self, what: str) -> None:
        self._failures.append(time_stamped(what))


def time_stamped(what: str) -> str:
    """Return a line that begins with the time."""
    return f"{time.strftime('%X', time.gmtime())} {what}"


async def main() -> None:
    """Run until the line `end`."""
    load = Load(json.loads(sys.argv[1]))
    running = asyncio.create_task(load.run())
    while (line := await asyncio.to_thread(sys.stdin.readline)) and line.strip() != "end":
        write(load.report())
    load.end()
    await running
    write(load.report())


def write(line: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
