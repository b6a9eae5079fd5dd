"""One call: the message goes to the model, the model's answer to the caller."""

from __future__ import annotations

from contextlib import aclosing

import grpc

from tokenwire import calls
from tokenwire.convert import Defaults, to_answer, to_request
from tokenwire.domain import ChatModel, Completion
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

SERVICE = pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name


class ChatgptServicer(chatgpt_pb2_grpc.ChatgptServicer):
    """openai.Chatgpt over a model.

    Args:
        model: Writes the answers.
        defaults: Fill in what a request leaves open.
    """

    def __init__(self, model: ChatModel, defaults: Defaults) -> None:
        self._model = model
        self._defaults = defaults

    # Writing to the context, rather than yielding, keeps cancellation inside
    # this frame even while a slow reader blocks a write; the stub's types know
    # only generators.
    async def Send(  # type: ignore[override]  # noqa: N802 - the contract's name
        self, request: pb.Message, context: grpc.aio.ServicerContext[pb.Message, pb.Answer]
    ) -> None:
        """Stream the model's answer to `request`.

        Raises:
            ServiceError: The request is invalid or the answer cannot be completed.
        """
        call = calls.current.get()
        chat = to_request(request, self._defaults)
        call.model = chat.model
        async with aclosing(self._model.stream(chat)) as answer:
            async for event in answer:
                if isinstance(event, Completion):
                    call.completion = event
                    await context.write(to_answer(event))
                else:
                    await context.write(to_answer(event))
                    call.sent(event.tokens)
