"""Answers a message, with the results of tools that the options give."""

import argparse
from collections.abc import Sequence
from typing import Final

from tokenwire.cli._answer import stream_answer
from tokenwire.cli._console import ConsoleOutput
from tokenwire_client import Client, Part, Role, Turn, answer_turn, result_turn

MAX_ROUNDS: Final = 8
"""How often the model may call tools for one message."""


async def answer_message(
    client: Client,
    args: argparse.Namespace,
    text: str,
    history: Sequence[Turn],
    output: ConsoleOutput,
) -> list[Turn]:
    """Print the answer to a message, and return the new turns of the conversation.

    Where the options have the results of all tools that the model calls, they are returned to it,
    and it answers again. Otherwise its calls are the answer.

    Args:
        client: The client to call with.
        args: The parsed options of `chat`.
        text: The message of the user. The images of the options belong to the first one.
        history: The earlier turns.
        output: Where the answer is printed.

    Raises:
        ChatError: A call failed; the part of the answer that arrived was printed.
        ValueError: A number is out of range, a text is not valid Unicode, or the model calls tools
            without end.
    """
    images = () if history else args.image
    parts = [Part(inline=image.data, media_type=image.media_type) for image in images]
    question = Turn(role=Role.ROLE_USER, content=text, parts=parts)
    turns = [question]
    earlier = list(history)
    results = dict(args.tool_result)
    for _ in range(MAX_ROUNDS):
        answer = await stream_answer(client, args, question, earlier, output)
        turns.append(answer_turn(answer))
        names = [call.name for call in answer.tool_calls]
        if not names or not results.keys() >= set(names):
            return turns
        turns += [result_turn(call, results[call.name]) for call in answer.tool_calls]
        earlier = [*history, *turns]
        question = Turn(role=Role.ROLE_USER)
    raise ValueError(f"the model has called tools {MAX_ROUNDS} times without an answer")
