"""`tokenwire demo`: everything once, on the built-in demo model."""

import argparse
import asyncio
import re
from typing import TYPE_CHECKING, Final

from tokenwire.cli._connection import silence_grpc
from tokenwire.cli._settings import demo_overrides, tell

if TYPE_CHECKING:
    from tokenwire.client import AnswerStream

QUESTION: Final = "Why is the sky blue?"
EXIT_INTERRUPTED: Final = 130
SHOWN_METRICS: Final = re.compile(
    r"(grpc_server_handled_total|tokenwire_tokens_total"
    r"|gen_ai_server_time_to_first_token_seconds_(count|sum))\b.* (?!0\.0)\S+"
)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="see it work: one streamed answer from the built-in demo model",
        description="Start a server on the built-in demo model, stream one answer from it, show "
        "its health and a few metrics, and stop it. Needs no key and no network.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the demo; return the exit code."""
    del args
    silence_grpc()
    # Here, so that other subcommands and --help start without them.
    from tokenwire.settings import SettingsError  # noqa: PLC0415

    try:
        return asyncio.run(_demo())
    except SettingsError as error:
        return tell(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


async def _demo() -> int:
    import aiohttp  # noqa: PLC0415 - see run

    from tokenwire import settings  # noqa: PLC0415
    from tokenwire.app import App  # noqa: PLC0415
    from tokenwire.client import Client  # noqa: PLC0415
    from tokenwire.demo import DemoUpstream  # noqa: PLC0415

    async with DemoUpstream(time_to_first_token=0.3, tokens_per_second=25) as upstream:
        loaded = settings.load(
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


async def _show_answer(stream: "AnswerStream") -> None:
    from tokenwire.cli._answer import Screen, Timing, statistics  # noqa: PLC0415 - see _demo
    from tokenwire.client import Answer  # noqa: PLC0415

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
