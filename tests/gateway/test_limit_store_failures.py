"""What is told of a store of limits that fails, and how long its counts are believed."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import aclosing, closing

import pytest
import redis.exceptions as redis_errors

from support.limits import lease_of
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.memory import MemoryStore
from tokenwire.limits.own import OwnLeases
from tokenwire.limits.redis_failures import cause_of
from tokenwire.limits.redis_store import RedisStore
from tokenwire.limits.session import ignore_answer
from tokenwire.limits.shared import SharedLeases, ignore_lost
from tokenwire.limits.store import Batch, StoreError, StoreReply
from tokenwire.observability.metrics.labels import StoreFailureCause

KEEPER = OwnLeases(MemoryStore())
LIMITS = CallerLimits(
    streams=5,
    windows=(
        Window(Unit.REQUESTS, 10, "s"),
        Window(Unit.REQUESTS, 10, "h"),
        Window(Unit.TOKENS, 1_000, "d"),
        Window(Unit.DOLLARS, 10**9, "month"),
    ),
)
USED = {"streams": 1, "requests/s": 1, "requests/h": 3, "tokens/d": 30, "dollars/month": 40}


def with_tls_error() -> redis_errors.RedisError:
    """Return the error of a connection whose handshake failed, as the client raises it."""
    error = redis_errors.ConnectionError("failed")
    error.__context__ = ssl.SSLCertVerificationError("not trusted")
    return error


CAUSES: dict[StoreFailureCause, list[Exception]] = {
    StoreFailureCause.TIMEOUT: [redis_errors.TimeoutError(), TimeoutError()],
    StoreFailureCause.UNREACHABLE: [
        redis_errors.ConnectionError(),
        redis_errors.MaxConnectionsError(),
        ConnectionResetError(),
    ],
    StoreFailureCause.TLS: [with_tls_error()],
    StoreFailureCause.CREDENTIALS: [
        redis_errors.AuthenticationError(),
        redis_errors.AuthorizationError(),
        redis_errors.NoPermissionError(),
    ],
    StoreFailureCause.REJECTED: [
        redis_errors.ReadOnlyError(),
        redis_errors.OutOfMemoryError(),
        redis_errors.BusyLoadingError(),
        redis_errors.ResponseError(),
    ],
    StoreFailureCause.INVALID: [redis_errors.InvalidResponse(), redis_errors.RedisError()],
}


@pytest.mark.parametrize("cause", StoreFailureCause)
def test_each_failure_has_a_cause(cause: StoreFailureCause) -> None:
    """Every error of the client has one of the causes that the metrics have."""
    for error in CAUSES[cause]:
        assert cause_of(error) is cause, error


class FixedStore:
    """A store that always says the same."""

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Return what is used."""
        return [StoreReply([None] * len(batch.entries), USED) for batch in batches]

    async def aclose(self) -> None:
        """Close nothing."""


class AbsentStore:
    """A store that never answers."""

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Fail."""
        del batches
        raise StoreError(StoreFailureCause.UNREACHABLE)

    async def aclose(self) -> None:
        """Close nothing."""


async def test_old_counts_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count is told until its window has passed, but of one that slides for a minute at most."""
    noon = 1_792_670_400.0  # 22 October 2026
    monkeypatch.setattr("time.time", lambda: noon)
    shared = SharedLeases(
        FixedStore(),
        MemoryStore(),
        refuse=False,
        on_answer=ignore_answer,
        on_lost=ignore_lost,
    )
    assert shared.session.used("team", LIMITS, noon) == {}
    assert await shared.take(lease_of("team", LIMITS, shared)) is None
    hour, day = 3_600, 86_400
    for later, names in (
        (0, USED.keys()),
        (2, USED.keys() - {"requests/s"}),
        (61, {"tokens/d", "dollars/month"}),
        (11 * hour, {"tokens/d", "dollars/month"}),
        (13 * hour, {"dollars/month"}),
        (9 * day, {"dollars/month"}),
        (11 * day, set()),
    ):
        told = shared.session.used("team", LIMITS, noon + later)
        assert told == {name: USED[name] for name in names}, later
    shared.session.keep({"team"})
    assert shared.session.used("team", LIMITS, noon) == USED
    shared.session.keep({"other"})
    assert shared.session.used("team", LIMITS, noon) == {}


REPLIES = [
    b"+OK\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b":5\r\n",
    b":\r\n",
    b"*0\r\n",
    b"*2\r\n:0\r\n:0\r\n",
    b"*4\r\n$1\r\nx\r\n:0\r\n:0\r\n:0\r\n",
    b"-ERR \xff\xfe\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
]


@pytest.mark.parametrize("reply", REPLIES)
async def test_what_is_no_reply(reply: bytes) -> None:
    """A store that answers something else than the script would is away, like one that fails."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while data := await reader.read(65_536):
                writer.write(b"+OK\r\n" * data.count(b"CLIENT") + reply * data.count(b"EVALSHA"))

    limits = CallerLimits(windows=(Window(Unit.TOKENS, 1_000, "d"),))
    batch = Batch("team", limits, [lease_of("team", limits, KEEPER).take()])
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with aclosing(RedisStore(f"redis://127.0.0.1:{port}/0?protocol=2")) as store:
            with pytest.raises(StoreError):
                await store.apply([batch])


async def test_a_call_that_ends_with_the_server() -> None:
    """The store is closed, and knows the last lease, if that ends at the same moment."""
    shared = SharedLeases(
        FixedStore(), MemoryStore(), refuse=False, on_answer=ignore_answer, on_lost=ignore_lost
    )
    shared.start()
    lease = lease_of("team", LIMITS, shared)
    assert await shared.take(lease) is None
    lease.settle(None, paid=True)
    async with asyncio.timeout(5):
        await shared.aclose()
    assert not shared.unsent


async def test_a_replaced_store_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that another one has replaced is not asked for ever; what it never knew is lost."""
    monkeypatch.setattr("tokenwire.limits.shared.FINISH_SECONDS", 0.01)
    lost: list[None] = []
    shared = SharedLeases(
        AbsentStore(),
        MemoryStore(),
        refuse=False,
        on_answer=ignore_answer,
        on_lost=lambda: lost.append(None),
    )
    shared.start()
    lease = lease_of("team", LIMITS, shared)
    assert await shared.take(lease) is None
    lease.settle(None, paid=True)
    async with asyncio.timeout(5):
        await shared.finish()
    assert len(lost) == 1


class LateStore(FixedStore):
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Wait, and return what is used."""
        self.asked.set()
        await self.go_on.wait()
        return await super().apply(batches)


async def test_a_store_that_is_replaced_while_a_call_begins() -> None:
    """A call that waits for a store when another one replaces it gets its answer."""
    store = LateStore()
    lost: list[None] = []
    shared = SharedLeases(
        store,
        MemoryStore(),
        refuse=True,
        on_answer=ignore_answer,
        on_lost=lambda: lost.append(None),
    )
    shared.start()
    lease = lease_of("team", LIMITS, shared)
    begun = asyncio.create_task(shared.take(lease))
    await store.asked.wait()
    finished = asyncio.create_task(shared.finish())
    for _ in range(20):
        # Long enough for it to close what it would not wait for.
        await asyncio.sleep(0)
    store.go_on.set()
    assert await begun is None
    lease.settle(None, paid=True)
    async with asyncio.timeout(10):
        await finished
    assert not lost
