"""Converts a request's body to a message of the service's contract, whose rules apply to it."""

from dataclasses import dataclass
from typing import Any, Final

from tokenwire.api.aiplatform.conversation import MessageConverter
from tokenwire.api.aiplatform.members import MAX_LONG, JsonMembers
from tokenwire.api.aiplatform.sampling import add_sampling
from tokenwire.api.aiplatform.tools import add_format, add_tools
from tokenwire.api.aiplatform.untranslated import Untranslated
from tokenwire.api.field_names import MessagePlaces
from tokenwire.core.domain import ChatBody
from tokenwire.core.errors import EmptyPrompt, InvalidParameter
from tokenwire.v1 import chatgpt_pb2

OUTSIDE_OF_HISTORY: Final = 2
"""The system prompt and the message to answer."""
EFFORTS: Final = {
    "none": chatgpt_pb2.EFFORT_NONE,
    "minimal": chatgpt_pb2.EFFORT_MINIMAL,
    "low": chatgpt_pb2.EFFORT_LOW,
    "medium": chatgpt_pb2.EFFORT_MEDIUM,
    "high": chatgpt_pb2.EFFORT_HIGH,
    "xhigh": chatgpt_pb2.EFFORT_XHIGH,
}
REFUSED: Final = frozenset(
    {"models", "model_list", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks"}
    | {"route", "provider", "preset", "custom_llm_provider", "deployment_id", "engine"}
    | {"api_key", "api_base", "base_url", "api_version", "organization", "user_config"}
    | {"extra_headers", "extra_body", "extra_query", "headers"}
)
"""Members by which routers and proxies choose a model, an upstream or its credentials. The server
decides about these; an upstream that honours one would bypass it."""
REFUSED_RULE: Final = "is not accepted: the server chooses the model and its upstream"


@dataclass(frozen=True, slots=True)
class BodyRequest:
    """What a body asks for.

    Attributes:
        message: The message that asks for the same, as far as it can be translated.
        body: The body, for upstreams that take it.
        places: Where the messages are in `message`.
        streams: Whether the answer is sent in chunks.
        with_usage: Whether the chunks end with the usage.
    """

    message: chatgpt_pb2.Message
    body: ChatBody
    places: MessagePlaces
    streams: bool
    with_usage: bool


def to_request(decoded: dict[str, Any], size: int, max_turns: int, max_text: int) -> BodyRequest:
    """Return what a decoded body asks for.

    Args:
        decoded: The body.
        size: Its bytes.
        max_turns: The most turns of a history.
        max_text: The most bytes besides the data of images, audio and files.

    Raises:
        EmptyPrompt: It has no messages.
        InvalidParameter: A member has a value that is not allowed; the error names it.
    """
    body = JsonMembers(decoded)
    for name in REFUSED & decoded.keys():
        raise InvalidParameter(name, REFUSED_RULE)
    untranslated = Untranslated()
    message = chatgpt_pb2.Message()
    streams = body.flag("stream") or False
    with_usage = _with_usage(body, untranslated, streams=streams)
    if body.integer("n", MAX_LONG) not in (None, 1):
        raise InvalidParameter("n", "must be 1")
    message.params.model = body.text("model") or ""
    messages = body.items("messages")
    if not messages:
        raise EmptyPrompt
    if len(messages) > max_turns + OUTSIDE_OF_HISTORY:
        description = f"must hold at most {max_turns + OUTSIDE_OF_HISTORY} items"
        raise InvalidParameter("messages", description)
    conversation = MessageConverter(untranslated)
    places = conversation.add(messages, message)
    if size - conversation.contents.inline_bytes > max_text:
        raise InvalidParameter("http_body.data", f"must be at most {max_text} bytes besides data")
    add_sampling(body, message.params, untranslated)
    add_tools(body, message, untranslated)
    add_format(body, message, untranslated)
    _add_effort(body, message, untranslated)
    # Of a whole answer, calls are whole; of a stream they come as the upstream sends them.
    message.stream_tool_calls = streams
    untranslated.extend(body.rest())
    made = ChatBody(
        decoded,
        tuple(untranslated.paths),
        untranslated.set_by_caller,
        has_system=places.first > 0,
    )
    return BodyRequest(message, made, places, streams, with_usage)


def _with_usage(body: JsonMembers, untranslated: Untranslated, *, streams: bool) -> bool:
    options = body.object("stream_options")
    if options is None:
        return False
    if not streams:
        raise InvalidParameter("stream_options", "must not be set without `stream`")
    with_usage = options.flag("include_usage") or False
    untranslated.extend(options.rest())
    return with_usage


def _add_effort(
    body: JsonMembers, message: chatgpt_pb2.Message, untranslated: Untranslated
) -> None:
    effort = body.text("reasoning_effort")
    if effort is None:
        return
    if effort not in EFFORTS:
        untranslated.add("reasoning_effort")
        return
    message.reasoning.effort = EFFORTS[effort]
    # Asking for it can need more rights at the upstream, so the caller must be able not to.
    message.reasoning.show = effort != "none"
