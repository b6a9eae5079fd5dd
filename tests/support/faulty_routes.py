"""Gateway files whose routes are faulty."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from support.observed import WHOLE
from tokenwire_demo import DemoUpstream

LIMITED = ["status 429 retry-after=60"] * 100
"""Opens a breaker at once, and again at each probe."""
FLAKY = ["status 500", *[WHOLE] * 9] * 200
"""Every tenth request fails: too few to open a breaker, and what the retry budget pays for."""


class GatewayFiles:
    """Writes gateway files with a single model, `default`.

    Args:
        stack: Ends the upstreams.
        folder: The directory of the files.
    """

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    async def write(
        self,
        job: str,
        *plans: list[str],
        issuers: dict[str, Any] | None = None,
        callers: dict[str, Any] | None = None,
        limits: dict[str, Any] | None = None,
        **section: Any,
    ) -> Path:
        """Start an upstream for each list of plans, and write the file with a route to each.

        Args:
            job: The job that the file is for.
            plans: What each upstream does first; then it answers.
            issuers: The issuers of tokens.
            callers: The callers; None for everyone.
            limits: What counts the limits of the callers; None for the server itself.
            section: Other keys of each upstream.
        """
        sections = {}
        for number, script in enumerate(plans):
            upstream = await self._stack.enter_async_context(DemoUpstream(plan=WHOLE))
            upstream.script(*script)
            sections[f"u{number}"] = {"base_url": upstream.base_url, **section}
        model = {"routes": [f"{name}/m" for name in sections]}
        path = self._folder / f"{job}.yaml"
        # JSON is valid YAML.
        file = {
            "upstreams": sections,
            "models": {"default": model},
            "issuers": issuers or {},
            **({"callers": callers} if callers else {}),
            "limits": limits or {},
        }
        path.write_text(json.dumps(file))
        return path
