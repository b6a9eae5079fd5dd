"""Builds the request of a call."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypedDict

from tokenwire_client.v1.chatgpt_pb2 import (
    EmbedRequest,
    Format,
    Message,
    Params,
    Part,
    Reasoning,
    Role,
    ServiceTier,
    Tool,
    ToolChoice,
    Turn,
)


class RequestOptions(TypedDict, total=False):
    """The optional fields of a request; see `Client.send`."""

    history: Iterable[Turn | tuple[str, str]]
    system: str | None
    model: str
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    stop: Sequence[str]
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    user: str
    top_logprobs: int | None
    top_k: int | None
    min_p: float | None
    logit_bias: Mapping[int, float]
    service_tier: "ServiceTier.ValueType"
    parts: Iterable[Part]
    reasoning: Reasoning | None
    tools: Iterable[Tool]
    tool_choice: ToolChoice | None
    format: Format | None
    stream_tool_calls: bool
    labels: Mapping[str, str]
    show_progress: bool


_ROLES = {"user": Role.ROLE_USER, "assistant": Role.ROLE_ASSISTANT}


def build_message(  # noqa: PLR0913 - the fields of a request, each by its own name
    content: str,
    *,
    history: Iterable[Turn | tuple[str, str]] = (),
    system: str | None = None,
    model: str = "",
    temperature: float | None = None,
    max_tokens: int | None = None,
    top_p: float | None = None,
    stop: Sequence[str] = (),
    seed: int | None = None,
    frequency_penalty: float | None = None,
    presence_penalty: float | None = None,
    user: str = "",
    top_logprobs: int | None = None,
    top_k: int | None = None,
    min_p: float | None = None,
    logit_bias: Mapping[int, float] = MappingProxyType({}),
    service_tier: "ServiceTier.ValueType" = ServiceTier.SERVICE_TIER_UNSPECIFIED,
    parts: Iterable[Part] = (),
    reasoning: Reasoning | None = None,
    tools: Iterable[Tool] = (),
    tool_choice: ToolChoice | None = None,
    format: Format | None = None,  # noqa: A002 - the contract's name
    stream_tool_calls: bool = False,
    labels: Mapping[str, str] = MappingProxyType({}),
    show_progress: bool = False,
) -> Message:
    """Return the request. The server checks the ranges of its values.

    Raises:
        TypeError: `stop` is a string instead of a sequence of strings.
        ValueError: An item of `history` is neither a Turn nor a (role, text) pair
            with a known role, a text is not valid Unicode, or a number does not fit
            its field.
    """
    if isinstance(stop, str):
        raise TypeError(f"stop is the string {stop!r}; pass a sequence: stop=[{stop!r}]")
    return Message(
        content=content,
        history=[_turn(turn) for turn in history],
        system=system,
        params=Params(
            model=model,
            temperature=temperature,
            max_tokens=max_tokens,
            top_p=top_p,
            stop=stop,
            seed=seed,
            frequency_penalty=frequency_penalty,
            presence_penalty=presence_penalty,
            user=user,
            top_logprobs=top_logprobs,
            top_k=top_k,
            min_p=min_p,
            logit_bias=logit_bias,
            service_tier=service_tier,
        ),
        parts=parts,
        reasoning=reasoning,
        tools=tools,
        tool_choice=tool_choice,
        format=format,
        stream_tool_calls=stream_tool_calls,
        labels=labels,
        show_progress=show_progress,
    )


def build_embed_request(
    texts: Sequence[str], *, model: str, dimensions: int | None, user: str
) -> EmbedRequest:
    """Return the request for the vectors of texts.

    Raises:
        TypeError: `texts` is a string instead of a sequence of strings.
        ValueError: A text is not valid Unicode, or a number does not fit its field.
    """
    if isinstance(texts, str):
        raise TypeError(f"texts is the string {texts!r}; pass a sequence: [{texts!r}]")
    return EmbedRequest(model=model, texts=texts, dimensions=dimensions, user=user)


def _turn(turn: object) -> Turn:
    match turn:
        case Turn():
            return turn
        case ("user" | "assistant" as role, str(content)):
            return Turn(role=_ROLES[role], content=content)
        case _:
            raise ValueError(
                f"history contains {turn!r}; use Turn messages or pairs "
                '("user", text) and ("assistant", text)'
            )
