"""Builds turns of a conversation."""

from tokenwire_client.v1.chatgpt_pb2 import Answer, Role, ToolCall, Turn


def answer_turn(answer: Answer) -> Turn:
    """Return the turn that repeats a whole answer in the history of the next request.

    Args:
        answer: The Answer of `Client.ask`, with its tool calls and its state.
    """
    return Turn(
        role=Role.ROLE_ASSISTANT,
        content=answer.content,
        tool_calls=answer.tool_calls,
        reasoning=answer.reasoning,
        state=answer.state,
    )


def result_turn(call: ToolCall, result: str) -> Turn:
    """Return the turn that has the result of a tool call.

    Args:
        call: The call.
        result: What the tool returns, for the model.
    """
    return Turn(role=Role.ROLE_TOOL, tool_call_id=call.id, content=result)
