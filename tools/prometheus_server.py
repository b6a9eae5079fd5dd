"""Runs a real Prometheus that scrapes servers on this machine, and queries it."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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
"""The rules that users get."""
SECONDS: Final = 45.0
"""The timeout of every wait; long, for overloaded machines."""

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""The labels of a series, and its points as Unix time in seconds and value."""


@dataclass(frozen=True)
class Sample:
    """The value of one series at one time."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """A Prometheus process; entering the block starts it, leaving the block ends it.

    Args:
        folder: An existing directory for its configuration and data.
        targets: The addresses to scrape, by job.
        rules: The files of rules.
        interval: The interval of scrapes and of rule evaluations, in seconds.
        listen: HOST:PORT to listen on.
        scrape_configs: Further entries of `scrape_configs`.
        names: The series to ask of `targets`; empty for all.

    Attributes:
        url: The base URL of the server.
    """

    url: str

    def __init__(  # noqa: PLR0913 - independent options, most with defaults
        self,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        rules: Sequence[Path] = (),
        interval: float = 0.2,
        listen: str = "127.0.0.1:0",
        *,
        scrape_configs: Sequence[Mapping[str, Any]] = (),
        names: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._targets = targets
        self._rules = rules
        self._interval = f"{interval * 1000:.0f}ms"
        self._listen = listen
        self._scrape_configs = scrape_configs
        self._names = sorted(names)

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
        """Return the current result of an expression."""
        found = await self._get("query", query=expression)
        return [Sample(each["metric"], float(each["value"][1])) for each in found["result"]]

    async def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[Series]:
        """Return the result of an expression over a range.

        Args:
            expression: PromQL.
            start: The start of the range, in Unix seconds.
            end: The end of the range, in Unix seconds.
            step: The resolution, in seconds.
        """
        found = await self._get("query_range", query=expression, start=start, end=end, step=step)
        return [
            (each["metric"], [(moment, float(value)) for moment, value in each["values"]])
            for each in found["result"]
        ]

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its state."""
        groups = (await self._get("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def firing(self) -> set[tuple[str, str]]:
        """Return the job and name of each firing alert."""
        alerts = [
            each["labels"]
            for each in (await self._get("alerts"))["alerts"]
            if each["state"] == "firing"
        ]
        return {(each["job"], each["alertname"]) for each in alerts}

    async def until_firing_only(self, alerts: Collection[tuple[str, str]]) -> None:
        """Return once no alert fires but these, each a job and a name."""
        await _poll(self._fires_only, set(alerts))

    async def scraped(self) -> None:
        """Return once all targets were scraped again and every rule was evaluated after that."""
        count = sum(map(len, self._targets.values()))
        await self.until(f"count(up == 1 and timestamp(up) > {time.time()}) == {count}")
        scraped_at = time.time()
        await _poll(self._all_evaluated, scraped_at)

    async def until(self, expression: str) -> None:
        """Return once an expression has a result."""
        await _poll(self.query, expression)

    async def _fires_only(self, alerts: set[tuple[str, str]]) -> bool:
        return await self.firing() <= alerts

    async def _all_evaluated(self, since: float) -> bool:
        return all(_evaluated(rule) > since for rule in await self.rules())

    async def _get(self, endpoint: str, **parameters: str | float) -> Any:
        response = await self._client.get(f"/api/v1/{endpoint}", params=parameters)
        body = response.json()
        if body["status"] != "success":
            raise ValueError(f"Prometheus rejects {parameters}: {body['error']}")
        return body["data"]

    def _config(self) -> dict[str, Any]:
        return {
            "global": {
                "scrape_interval": self._interval,
                "scrape_timeout": self._interval,
                "evaluation_interval": self._interval,
            },
            "rule_files": [str(path) for path in self._rules],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [{"targets": list(addresses)}],
                    "params": {"name[]": self._names},
                }
                for job, addresses in self._targets.items()
            ]
            + [dict(config) for config in self._scrape_configs],
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
    """Return once a result is true; polls, because Prometheus sends no notifications."""
    async with asyncio.timeout(SECONDS):
        while not await ask(argument):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


def _evaluated(rule: dict[str, Any]) -> float:
    """Return the time of a rule's last evaluation, in Unix seconds; negative if it has none."""
    moment = re.sub(r"(\.\d{6})\d*", r"\1", rule["lastEvaluation"])
    return datetime.fromisoformat(moment).timestamp()
