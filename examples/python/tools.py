"""Answers a question with the help of a tool that the model may call.

python tools.py localhost:50051 "What time is it in Oslo?"
"""

import asyncio
import datetime as dt
import json
import sys
import zoneinfo

from tokenwire_client import (
    ChatError,
    Client,
    Role,
    Tool,
    ToolCall,
    Turn,
    answer_turn,
    result_turn,
)

MAX_ROUNDS = 5
TOOL = Tool(
    name="get_time",
    description="Returns the current time in a time zone.",
    parameters=json.dumps(
        {
            "type": "object",
            "properties": {"zone": {"type": "string", "description": "Such as Europe/Oslo."}},
            "required": ["zone"],
        }
    ),
)


def run_tool(call: ToolCall) -> str:
    """Return the result of a call. The model reads errors too, and may call again."""
    zone = json.loads(call.arguments).get("zone", "")
    try:
        return dt.datetime.now(zoneinfo.ZoneInfo(zone)).isoformat(timespec="minutes")
    except (ValueError, zoneinfo.ZoneInfoNotFoundError):
        return f"there is no time zone {zone!r}"


async def main(target: str, text: str) -> None:
    """Print the answer to `text`, and the calls that the model makes for it."""
    history: list[Turn] = []
    async with Client(target) as client:
        for _ in range(MAX_ROUNDS):
            answer = await client.ask(text, history=history, tools=[TOOL], timeout=60)
            if not answer.tool_calls:
                print(answer.content)
                return
            if text:
                history.append(Turn(role=Role.ROLE_USER, content=text))
            history.append(answer_turn(answer))
            for call in answer.tool_calls:
                result = run_tool(call)
                print(f"[{call.name}({call.arguments}) returns {result}]")
                history.append(result_turn(call, result))
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
