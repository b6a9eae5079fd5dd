"""Joins the pieces of tool calls, as the contract tells callers to."""

from collections.abc import Iterable

from tokenwire.v1 import chatgpt_pb2 as pb


def joined_calls(answers: Iterable[pb.Answer]) -> list[pb.ToolCall]:
    """Return the whole calls; each piece but the first of a call must have only its index."""
    calls: dict[int, pb.ToolCall] = {}
    for piece in (piece for answer in answers for piece in answer.tool_calls):
        if piece.index not in calls:
            assert piece.id
            assert piece.name
            calls[piece.index] = pb.ToolCall.FromString(piece.SerializeToString())
            continue
        assert (piece.id, piece.name) == ("", "")
        calls[piece.index].arguments += piece.arguments
        calls[piece.index].state = piece.state or calls[piece.index].state
    return [calls[index] for index in range(len(calls))]
