"""Row 43 with callers: calls that are rejected before they are authenticated."""

import asyncio
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from support.gateway import HELLO, gateway_world
from support.issuer import IssuerServer
from support.priority import MODELS, OVERLOADED, CallerCrowd, caller_crowd, callers
from support.priority import bearer as bearer_of
from support.unary import ending_of
from tokenwire.core.caller import Caller
from tokenwire.core.errors import CredentialsExpired, CredentialsInvalid, CredentialsMissing
from tokenwire.observability.metrics import Metrics
from tokenwire.server import shedding
from tokenwire.server.accept_probe import AcceptProbe
from tokenwire.server.authentication import Authenticator
from tokenwire.server.interceptors import admission
from tokenwire.server.interceptors.admission import AdmissionInterceptor
from tokenwire.server.share_key import NOBODY
from tokenwire.server.shedding import LoadShedder

OK = ("OK", "")
INVALID = ("UNAUTHENTICATED", "CREDENTIALS_INVALID")
CROWD = 600
# A client sends no calls beyond the connection's limit, so the limit admits a whole crowd.
WIDE = {"max_streams_per_connection": CROWD + 2}


def shed(crowd: CallerCrowd) -> float:
    """Return the number of calls that were rejected before they were authenticated."""
    return crowd.value("tokenwire_shed_calls_total") or 0.0


async def test_row_43_a_crowd_of_low_priority(tmp_path: Path) -> None:
    """A call behind a crowd of low priority gets a place in the queue that the crowd has filled.

    The calls of the crowd are counted for their caller.
    """
    async with caller_crowd(tmp_path, **WIDE) as crowd, asyncio.timeout(60):
        held = await crowd.hold("nightly")
        low = [asyncio.create_task(crowd.ends("batch")) for _ in range(CROWD)]
        normal = asyncio.create_task(crowd.ends("team"))
        # All but two, which share the queue with the last call.
        ended = [await each for each in islice(asyncio.as_completed(low), CROWD - 2)]
        assert Counter(ended) == {OVERLOADED: CROWD - 2}
        crowd.release()
        assert await asyncio.gather(*held, normal) == [OK, OK]
        assert Counter(await asyncio.gather(*low)) == {OK: 2, OVERLOADED: CROWD - 2}
        assert crowd.order() == ["nightly", "team", "batch", "batch"]
        assert shed(crowd) > CROWD / 2
        rejected = {"caller": "batch", "outcome": "rejected"}
        assert crowd.value("tokenwire_caller_calls_total", **rejected) == CROWD - 2


async def test_row_43_a_crowd_has_its_callers_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is rejected before it is authenticated gives its caller a claim."""
    monkeypatch.setattr(admission, "CLAIM_SECONDS", 60.0)
    async with caller_crowd(tmp_path, max_queue=0, **WIDE) as crowd, crowd.connection() as second:
        held = await crowd.hold("other")
        # The last call waits in gRPC behind all others.
        names = ["batch"] * CROWD + ["team"]
        ended = await asyncio.gather(*map(crowd.ends, names))
        assert Counter(ended) == {OVERLOADED: CROWD + 1}
        assert shed(crowd) > CROWD / 2
        crowd.release()
        await asyncio.gather(*held)
        assert await crowd.ends("batch") == OVERLOADED
        assert await crowd.ends("team", second) == OK
        assert await crowd.ends("batch") == OK


async def test_row_43_a_crowd_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls with a wrong key reserve no slots, and are rejected like any others."""
    monkeypatch.setattr(admission, "CLAIM_SECONDS", 60.0)
    async with caller_crowd(tmp_path, max_queue=0, **WIDE) as crowd:
        held = await crowd.hold("batch")
        wrong = bearer_of("nobody")
        ended = await asyncio.gather(
            *(ending_of(crowd.world.stub.Ask(HELLO, metadata=wrong)) for _ in range(CROWD))
        )
        assert {*ended} <= {OVERLOADED, INVALID}
        assert Counter(ended)[OVERLOADED] == shed(crowd)
        assert Counter(ended)[OVERLOADED] > CROWD / 2
        crowd.release()
        await asyncio.gather(*held)
        assert crowd.value("tokenwire_streams_reserved") == 0


async def test_unknown_callers_are_authenticated_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under overload, one call of an unknown caller in an interval goes on to authentication."""

    def recognize(*_: object) -> Caller | None:
        raise CredentialsInvalid

    full = AdmissionInterceptor(max_streams=0, max_queue=0, queue_seconds=0.02)
    shedder = LoadShedder(AcceptProbe([]), full, Metrics([], {}, [], "", {}), recognize)
    context: Any = None
    monkeypatch.setattr(shedding, "UNKNOWN_INTERVAL_SECONDS", 60.0)
    found = [shedder.rejected(1.0, (), context) for _ in range(3)]
    assert found == [None, NOBODY, NOBODY]


async def test_callers_are_recognized_without_work(tmp_path: Path) -> None:
    """A key is recognized at once, and a token once it has been verified."""
    section = {"tokens": [{"issuer": "cluster", "subject": "*"}], "priority": "low"}
    expired = {"keys": [{"hash": callers()["other"]["keys"][0], "not_after": "2020-01-01"}]}
    async with (
        IssuerServer() as issuer,
        gateway_world(
            tmp_path,
            MODELS,
            {"one": {}},
            callers={"team": callers()["team"], "jobs": section, "old": expired},
            issuers={"cluster": issuer.section()},
        ) as world,
    ):
        offer = world.app.offer
        assert offer.gateway
        authenticator = Authenticator(lambda: offer.catalog().callers, offer.gateway.issuers)
        context: Any = None
        team = authenticator.recognize(bearer_of("team"), context)
        assert team
        assert (team.name, team.low_priority) == ("team", False)
        token = (("authorization", f"Bearer {issuer.token()}"),)
        for metadata, kind in (
            (token, CredentialsInvalid),
            (bearer_of("batch"), CredentialsInvalid),
            (bearer_of("other"), CredentialsExpired),
            ((), CredentialsMissing),
        ):
            with pytest.raises(kind):
                authenticator.recognize(metadata, context)
        await world.stub.Ask(HELLO, metadata=token)
        jobs = authenticator.recognize(token, context)
        assert jobs
        assert (jobs.name, jobs.low_priority) == ("jobs", True)
        everyone = Authenticator(lambda: None)
        assert everyone.recognize((), context) is None
