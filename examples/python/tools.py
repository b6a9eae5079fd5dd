"""Answers a question with the help of functions that the model may call.

python tools.py localhost:50051 "What time is it in Oslo?"
"""

import asyncio
import datetime as dt
import sys
import zoneinfo
from typing import Annotated

from pydantic import Field

from tokenwire_client import ChatError, Client, Role, Turn, answer_turn
from tokenwire_client.functions import Functions

MAX_ROUNDS = 5


def get_time(zone: Annotated[str, Field(description="A time zone, such as Europe/Oslo.")]) -> str:
    """Return the current time in a time zone."""
    try:
        return dt.datetime.now(zoneinfo.ZoneInfo(zone)).isoformat(timespec="minutes")
    except (ValueError, zoneinfo.ZoneInfoNotFoundError):
        # The model reads errors too, and may call again.
        return f"there is no time zone {zone!r}"


async def main(target: str, text: str) -> None:
    """Print the answer to `text`, and the calls that the model makes for it."""
    functions = Functions(get_time)
    history: list[Turn] = []
    async with Client(target) as client:
        for _ in range(MAX_ROUNDS):
            answer = await client.ask(text, history=history, tools=functions.tools, timeout=60)
            if not answer.tool_calls:
                print(answer.content)
                return
            if text:
                history.append(Turn(role=Role.ROLE_USER, content=text))
            history.append(answer_turn(answer))
            for call in answer.tool_calls:
                result = await functions.acall(call)
                print(f"[{call.name}({call.arguments}) returns {result.content}]")
                history.append(result)
            # The results are the next message.
            text = ""
    sys.exit(f"the model has called tools {MAX_ROUNDS} times without an answer")


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program, the target and the text
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2]))
    except ChatError as error:
        sys.exit(str(error))
