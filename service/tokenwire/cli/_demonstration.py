"""The demo: a server with the demo model, its health, one answer and a few metrics."""

import re
from typing import Final

import aiohttp

from tokenwire import config
from tokenwire.app import App
from tokenwire.cli._answer import Timing, statistics
from tokenwire.cli._console import ConsoleOutput
from tokenwire.cli._settings import demo_overrides
from tokenwire_client import Answer, AnswerStream, Client
from tokenwire_demo import DemoUpstream

QUESTION: Final = "Why is the sky blue?"
SHOWN_METRICS: Final = re.compile(
    r"(grpc_server_handled_total|tokenwire_tokens_total"
    r"|gen_ai_server_time_to_first_token_seconds_(count|sum))\b.* (?!0\.0)\S+"
)


async def run_demo() -> int:
    """Run the demo and print it to stdout; return the exit code.

    Raises:
        SettingsError: A setting in the environment is invalid.
    """
    async with DemoUpstream(time_to_first_token=0.3, tokens_per_second=25) as upstream:
        loaded = config.load(
            listen="127.0.0.1:0",
            metrics_listen="127.0.0.1:0",
            # The call below is plaintext; it does not leave this machine.
            tls_certificate_file=None,
            tls_key_file=None,
            tls_client_ca_file=None,
            **demo_overrides(upstream.base_url),
        )
        async with App(loaded) as app, Client(app.address) as client:
            _print(f"serving openai.Chatgpt on {app.address}, with the built-in demo model")
            _print(f"health: {'SERVING' if await client.check() else 'NOT_SERVING'}\n")
            _print(f"> {QUESTION}")
            await _print_answer(client.send(QUESTION))
            metrics_url = f"http://{app.metrics_address}/metrics"
            async with aiohttp.ClientSession() as http, http.get(metrics_url) as response:
                metrics = await response.text()
            _print(f"a few lines of {metrics_url}:")
            for line in metrics.splitlines():
                if SHOWN_METRICS.fullmatch(line):
                    _print(f"  {line}")
    _print("\nstopped cleanly")
    return 0


async def _print_answer(stream: AnswerStream) -> None:
    output, timing, end = ConsoleOutput(), Timing(), Answer()
    async with stream:
        async for answer in stream:
            if answer.content:
                timing.piece_arrived()
                output.show(answer.content)
            end = answer
    output.end_answer()
    _print(f"{statistics(timing, end)}\n")


def _print(line: str) -> None:
    print(line, flush=True)
