"""The protocols that a server serves: its own, and those that the settings name."""

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, Protocol

from tokenwire.api.chatgpt import service as chatgpt
from tokenwire.api.endpoint import Endpoint
from tokenwire.core.method import Method


class _Endpoints(Protocol):
    def endpoints(self) -> Sequence[Endpoint]: ...


class _Further(NamedTuple):
    services: Sequence[str]
    methods: Sequence[Method]
    make: Callable[[chatgpt.ChatgptService, int, int], _Endpoints]


# Imported in functions because the messages and converters of a protocol take memory that servers
# without it do not need.
def _aiplatform() -> _Further:
    from tokenwire.api.aiplatform import service  # noqa: PLC0415

    return _Further(service.SERVICES, service.METHODS, service.AiplatformService)


def _xai() -> _Further:
    from tokenwire.api.xai import service  # noqa: PLC0415

    return _Further(service.SERVICES, service.METHODS, service.XaiService)


FURTHER: Final = {"aiplatform": _aiplatform, "xai": _xai}
"""The protocols by their names in the settings."""


class ServedProtocols:
    """The protocols of a server.

    Args:
        names: The names of those besides `openai.Chatgpt`.

    Attributes:
        services: The full names of the services.
        methods: Every method of the services.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._further = [FURTHER[name]() for name in sorted(names)]
        self.services = [
            chatgpt.SERVICE,
            *(name for each in self._further for name in each.services),
        ]
        self.methods = [
            *chatgpt.METHODS,
            *(method for each in self._further for method in each.methods),
        ]

    def endpoints(
        self, service: chatgpt.ChatgptService, max_turns: int, max_text_bytes: int
    ) -> list[Endpoint]:
        """Return the entries of the method table.

        Args:
            service: Answers the messages of all protocols.
            max_turns: The most turns of a history.
            max_text_bytes: The most bytes of a request without its inline data.
        """
        endpoints = service.endpoints()
        for protocol in self._further:
            endpoints += protocol.make(service, max_turns, max_text_bytes).endpoints()
        return endpoints
