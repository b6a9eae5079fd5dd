import argparse
import asyncio
import contextlib
import re

from tokenwire.cli._answer import Screen, describe, make_client, stream_answer
from tokenwire_client import ChatError, Client

HELP = """\
/new   start over: forget the conversation so far
/quit  end; so does Ctrl-D
/help  show this
Ctrl-C cancels the answer. A cancelled or failed answer is not remembered, nor its question."""


def hold(args: argparse.Namespace) -> int:
    """Hold a conversation on the terminal until its user ends it."""
    with contextlib.suppress(ImportError):
        # Python's input() edits lines and recalls earlier ones once this is loaded.
        import readline  # noqa: F401, PLC0415
    print(f"Talking to {args.address}. /help lists the commands, Ctrl-D ends.")
    with asyncio.Runner() as runner:
        client = make_client(args)
        runner.run(client.open())
        try:
            Conversation(args, runner, client).run()
        finally:
            runner.run(client.close())
    return 0


class Conversation:
    """Reads a message, streams its answer, and remembers both.

    Messages are read while the event loop rests between two runs, so that
    input() may block, and Ctrl-C cancels the run, that is, the answer.
    """

    def __init__(self, args: argparse.Namespace, runner: asyncio.Runner, client: Client) -> None:
        self._args = args
        self._runner = runner
        self._client = client
        self._screen = Screen()
        self._history: list[tuple[str, str]] = []

    def run(self) -> None:
        """Take turns until the user ends the conversation."""
        while True:
            try:
                line = input("> ").strip()
                if line == "/quit":
                    return
                self._obey(line)
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                # At the prompt, as in a shell: a new prompt on a new line.
                print()
            except ValueError as error:
                self._screen.note(f"error: {error}")

    def _obey(self, line: str) -> None:
        if line == "/help":
            print(HELP)
        elif line == "/new":
            self._history.clear()
            print("Starting over.")
        elif re.fullmatch(r"/\w+", line):
            self._screen.note(f"error: there is no command {line}; /help lists them")
        elif line:
            self._answer(line)

    def _answer(self, message: str) -> None:
        try:
            text = self._runner.run(
                stream_answer(self._client, self._args, message, self._history, self._screen)
            )
        except KeyboardInterrupt:
            self._screen.note("cancelled")
        except ChatError as error:
            self._screen.note(describe(error, self._args))
        else:
            # Half an answer would teach the model to stop half-way, so only
            # complete turns are remembered.
            self._history += [("user", message), ("assistant", text)]
