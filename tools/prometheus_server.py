"""A real Prometheus that scrapes servers of this machine, and what can be asked of it."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from tool import BIN, ROOT

PROGRAM: Final = BIN / "prometheus"
RULES: Final = [
    ROOT / "observability" / "prometheus" / name for name in ("rules.yml", "alerts.yml")
]
"""Those that users get."""
SECONDS: Final = 45.0
"""The longest wait for anything; machines can be busy."""

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""Labels, and points of time and value."""


@dataclass(frozen=True)
class Sample:
    """One series' value at one time."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """Prometheus as a process; entering the block starts it, leaving the block ends it.

    Args:
        folder: For its configuration and data; must be there.
        targets: Addresses to scrape, by job.
        rules: Files of rules.
        interval: Seconds between two scrapes, and between two evaluations.
        listen: HOST:PORT to listen on.

    Attributes:
        url: Where it listens.
    """

    url: str

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        rules: Sequence[Path] = (),
        interval: float = 0.2,
        listen: str = "127.0.0.1:0",
    ) -> None:
        self._folder = folder
        self._targets = targets
        self._rules = rules
        self._interval = f"{interval * 1000:.0f}ms"
        self._listen = listen

    async def __aenter__(self) -> Self:
        config = self._folder / "prometheus.yml"
        config.write_text(json.dumps(self._config()), "utf-8")  # JSON is YAML too
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM,
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._listen}",
            "--enable-feature=exemplar-storage",
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS):
                await self._started()
        except BaseException:
            await self._end()
            raise
        self._reader = asyncio.create_task(self._read())
        self._client = httpx2.AsyncClient(base_url=self.url, timeout=SECONDS)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()
        await self._end()
        await self._reader

    async def query(self, expression: str) -> list[Sample]:
        """Return what an expression evaluates to, now."""
        found = await self._get("query", query=expression)
        return [Sample(each["metric"], float(each["value"][1])) for each in found["result"]]

    async def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[Series]:
        """Return what an expression evaluates to over a time in Unix seconds."""
        found = await self._get("query_range", query=expression, start=start, end=end, step=step)
        return [
            (each["metric"], [(moment, float(value)) for moment, value in each["values"]])
            for each in found["result"]
        ]

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule and its state."""
        groups = (await self._get("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def firing(self) -> set[tuple[str, str]]:
        """Return job and name of the alerts that fire."""
        alerts = [
            each["labels"]
            for each in (await self._get("alerts"))["alerts"]
            if each["state"] == "firing"
        ]
        return {(each["job"], each["alertname"]) for each in alerts}

    async def scraped(self) -> None:
        """Return once what is exposed now can be queried, and every rule has seen it."""
        count = sum(map(len, self._targets.values()))
        await self.until(f"count(up == 1 and timestamp(up) > {time.time()}) == {count}")
        seen = time.time()
        await _poll(self._all_evaluated, seen)

    async def until(self, expression: str) -> None:
        """Return once an expression has a result."""
        await _poll(self.query, expression)

    async def _all_evaluated(self, since: float) -> bool:
        return all(_evaluated(rule) > since for rule in await self.rules())

    async def _get(self, what: str, **parameters: str | float) -> Any:
        response = await self._client.get(f"/api/v1/{what}", params=parameters)
        answer = response.json()
        if answer["status"] != "success":
            raise ValueError(f"Prometheus refuses {parameters}: {answer['error']}")
        return answer["data"]

    def _config(self) -> dict[str, Any]:
        return {
            "global": {
                "scrape_interval": self._interval,
                "scrape_timeout": self._interval,
                "evaluation_interval": self._interval,
            },
            "rule_files": [str(path) for path in self._rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in self._targets.items()
            ],
        }

    async def _started(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was asked for
        lines = []
        async for line in self._process.stderr:
            lines.append(line.decode())
            if found := re.search(r'msg="Listening on".* address=(\S+)', lines[-1]):
                self.url = f"http://{found[1]}"
            if "Server is ready to receive web requests" in lines[-1]:
                return
        raise RuntimeError(f"Prometheus did not start: {''.join(lines)}")

    async def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was asked for
        while await self._process.stderr.read(65_536):
            pass

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def _poll(ask: Callable[[Any], Awaitable[object]], argument: object) -> None:
    """Return once an answer is true; Prometheus tells nobody, it must be asked."""
    async with asyncio.timeout(SECONDS):
        while not await ask(argument):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


def _evaluated(rule: dict[str, Any]) -> float:
    """Return when a rule was evaluated last, in Unix seconds; never is long ago."""
    moment = re.sub(r"(\.\d{6})\d*", r"\1", rule["lastEvaluation"])
    return datetime.fromisoformat(moment).timestamp()
