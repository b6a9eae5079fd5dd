"""What the status page tells. It has names of the gateway file, numbers and states, no secret."""

from typing import Final

import msgspec

RECENT_MINUTES: Final = 5
"""The minutes that the numbers of requests cover."""


class RouteStatus(msgspec.Struct, frozen=True):
    """A route of a model.

    Attributes:
        name: UPSTREAM/MODEL.
        tier: The number of its tier, from 1; lower ones are tried first.
        share: The share of its tier's calls by weight, from 0 to 1.
        state: `closed`, `open`, `probing`, or `full` if its upstream has no room.
        seconds_open: The seconds until a probe may pass; 0 if it is not open.
        succeeded: The requests of the last minutes whose answers began and did not break off.
        failed: The requests of the last minutes that the upstream failed.
    """

    name: str
    tier: int
    share: float
    state: str
    seconds_open: float
    succeeded: int
    failed: int


class ModelStatus(msgspec.Struct, frozen=True):
    """A model that callers may name.

    Attributes:
        name: The name.
        aliases: Its other names.
        serving: Whether it is served now.
        routes: Its routes in the order in which they are tried; empty without a gateway file.
    """

    name: str
    aliases: list[str]
    serving: bool
    routes: list[RouteStatus]


class UpstreamStatus(msgspec.Struct, frozen=True):
    """An upstream of the gateway file.

    Attributes:
        name: The name.
        streams: The requests in flight.
        max_streams: The most of them; None for no limit.
        keys: The number of keys.
    """

    name: str
    streams: int
    max_streams: int | None
    keys: int


class LimitStatus(msgspec.Struct, frozen=True):
    """What a caller has used of a limit.

    Attributes:
        name: `streams`, or the unit and the period of a window, such as `tokens/m`.
        used: The calls, tokens or US dollars that are used, or held by running calls.
        amount: The most of them.
        share: The used share of the amount; more than 1 if a limit was lowered.
    """

    name: str
    used: float
    amount: float
    share: float


class CallerStatus(msgspec.Struct, frozen=True):
    """A caller with limits.

    Attributes:
        name: The name.
        limits: Its limits.
    """

    name: str
    limits: list[LimitStatus]


class ProcessStatus(msgspec.Struct, frozen=True):
    """One process.

    Attributes:
        version: The version of tokenwire.
        worker: The number of the worker; None without workers.
        uptime_seconds: The seconds since the start.
        state: `serving` or `not serving`.
        streams: The answers being streamed.
        max_streams: The most of them.
        queued: The calls that wait for a slot.
        file_usable: Whether the current content of the gateway file is in use; None without one.
        models: The models.
        upstreams: The upstreams; empty without a gateway file.
        limit_store: `answers` or `away`, of the shared store of limits; None without one.
        callers: The callers with limits, with what the process or its store has counted.
    """

    version: str
    worker: int | None
    uptime_seconds: float
    state: str
    streams: int
    max_streams: int
    queued: int
    file_usable: bool | None
    models: list[ModelStatus]
    upstreams: list[UpstreamStatus]
    limit_store: str | None
    callers: list[CallerStatus]
