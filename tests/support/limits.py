"""Callers with limits."""

from collections.abc import Callable
from typing import Any

import grpc
from google.rpc import error_details_pb2

from support.gateway import GatewayWorld
from support.helpers import details_of
from tokenwire.cli.keys import hash_of
from tokenwire.core.errors import ServiceError
from tokenwire.core.limits import CallerLimits
from tokenwire.limits.lease import CallerLease, LeaseKeeper

KEY = "tw_team_canary1"
OTHER_KEY = "tw_other_canary2"


def bearer(key: str = KEY) -> tuple[tuple[str, str], ...]:
    """Return the metadata with a key."""
    return (("authorization", f"Bearer {key}"),)


def callers(**limits: Any) -> dict[str, Any]:
    """Return the callers of a file: `team` with limits, and `other` without."""
    return {
        "team": {"keys": [hash_of(KEY)], "limits": limits},
        "other": {"keys": [hash_of(OTHER_KEY)]},
    }


def limit_of(error: grpc.aio.AioRpcError) -> str:
    """Return the name of the limit in the details of an error."""
    quota = error_details_pb2.QuotaFailure()
    [violation] = next(
        quota.violations for detail in details_of(error).details if detail.Unpack(quota)
    )
    assert violation.subject == "caller"
    return violation.description


def used_by_team(world: GatewayWorld) -> dict[str, int]:
    """Return what the caller `team` has used, as a server knows it."""
    offer = world.app.offer.gateway
    assert offer
    assert offer.catalog.callers
    team = offer.catalog.callers.by_name["team"]
    assert team.limits
    return dict(offer.limiter.used("team", team.limits))


def lease_of(caller: str, limits: CallerLimits, keeper: LeaseKeeper) -> CallerLease:
    """Return a lease of a call that uses nothing yet."""

    def end(error: Callable[[], ServiceError]) -> None:
        raise error()

    return CallerLease(
        "a-lease",
        caller,
        limits,
        price=None,
        input_tokens=0,
        max_output_tokens=None,
        keeper=keeper,
        end=end,
    )
