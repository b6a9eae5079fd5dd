"""The demo itself: a server on the demo model, one answer, its health and a few metrics."""

import re
from typing import Final

import aiohttp

from tokenwire import config
from tokenwire.app import App
from tokenwire.cli._answer import Screen, Timing, statistics
from tokenwire.cli._settings import demo_overrides
from tokenwire_client import Answer, AnswerStream, Client
from tokenwire_demo import DemoUpstream

QUESTION: Final = "Why is the sky blue?"
SHOWN_METRICS: Final = re.compile(
    r"(grpc_server_handled_total|tokenwire_tokens_total"
    r"|gen_ai_server_time_to_first_token_seconds_(count|sum))\b.* (?!0\.0)\S+"
)


async def show() -> int:
    """Print the demo on stdout while it happens; return the exit code.

    Raises:
        SettingsError: A setting of the environment is wrong.
    """
    async with DemoUpstream(time_to_first_token=0.3, tokens_per_second=25) as upstream:
        loaded = config.load(
            listen="127.0.0.1:0",
            metrics_listen="127.0.0.1:0",
            # The call below is plaintext, and nothing of it leaves this machine.
            tls_certificate_file=None,
            tls_key_file=None,
            tls_client_ca_file=None,
            **demo_overrides(upstream.base_url),
        )
        async with App(loaded) as app, Client(app.address) as client:
            _say(f"serving openai.Chatgpt on {app.address}, with the built-in demo model")
            _say(f"health: {'SERVING' if await client.check() else 'NOT_SERVING'}\n")
            _say(f"> {QUESTION}")
            await _show_answer(client.send(QUESTION))
            metrics_url = f"http://{app.metrics_address}/metrics"
            async with aiohttp.ClientSession() as http, http.get(metrics_url) as response:
                metrics = await response.text()
            _say(f"a few lines of {metrics_url}:")
            for line in metrics.splitlines():
                if SHOWN_METRICS.fullmatch(line):
                    _say(f"  {line}")
    _say("\nstopped cleanly")
    return 0


async def _show_answer(stream: AnswerStream) -> None:
    screen, timing, end = Screen(), Timing(), Answer()
    async with stream:
        async for answer in stream:
            if answer.content:
                timing.piece_arrived()
                screen.show(answer.content)
            end = answer
    screen.end_answer()
    _say(f"{statistics(timing, end)}\n")


def _say(line: str) -> None:
    print(line, flush=True)
