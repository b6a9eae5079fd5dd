"""The share of a core that rendering metrics may take."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from tokenwire.observability.metrics_server.rendering import Renderer, ScrapeRequest

SCRAPE = ScrapeRequest(openmetrics=True, compressed=False)
SECONDS = 0.2


class Waiting(Collector):
    """Waits, as a thread does that others keep from running."""

    def collect(self) -> Iterable[Metric]:
        """Return nothing, after a while."""
        time.sleep(SECONDS)
        return ()


class Working(Collector):
    """Takes CPU time."""

    def collect(self) -> Iterable[Metric]:
        """Return nothing, after some work."""
        end = time.thread_time() + SECONDS
        while time.thread_time() < end:
            pass
        return ()


async def pause_after(collector: Collector) -> float:
    """Return the pause after a text, for a quarter of a core."""
    registry = CollectorRegistry()
    registry.register(collector)
    renderer = Renderer(registry, share=0.25)
    await renderer.render(SCRAPE)
    renderer.close()
    return renderer.pause_seconds


async def test_the_pause_follows_the_work() -> None:
    """After a text, the renderer rests for as long as its share demands."""
    assert await pause_after(Working()) >= 3 * SECONDS


async def test_a_wait_is_no_work() -> None:
    """What the renderer waits for others does not delay the next scrape."""
    assert await pause_after(Waiting()) < SECONDS
