"""The used fields of a chat-completion chunk, in OpenAI's types."""

import msgspec


class MessageDelta(msgspec.Struct, gc=False):
    """The content of a choice.

    A refusal counts as text: it explains why the model does not comply. Upstreams use different
    names for the model's reasoning; some send it under two names at the same time. Tool calls
    and citations vary in structure, so they stay encoded here.
    """

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    function_call: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()


class Choice(msgspec.Struct, gc=False):
    """One of the answers; the service requests only one.

    An upstream that does not stream sends the complete text as `message`.
    """

    delta: MessageDelta | None = None
    message: MessageDelta | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()


class Extension(msgspec.Struct, gc=False):
    """A provider's own object in a chunk, in which some report the usage."""

    usage: msgspec.Raw = msgspec.Raw()


class Chunk(msgspec.Struct, gc=False):
    """The used fields of a chat-completion chunk. The decoder skips all others.

    `usage` and `error` vary in structure and size between upstreams, so they stay encoded here.
    """

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    x_groq: Extension | None = None
    citations: msgspec.Raw = msgspec.Raw()
    search_results: msgspec.Raw = msgspec.Raw()
