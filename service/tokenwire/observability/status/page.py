"""The status page: HTML that a person can read, without scripts, on a phone too."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from tokenwire.observability.status.report import (
    RECENT_MINUTES,
    CallerStatus,
    LimitStatus,
    ModelStatus,
    ProcessStatus,
    RouteStatus,
    UpstreamStatus,
)

MAX_ROWS: Final = 200
"""The most models, upstreams and callers that the page shows; /status.json has all."""
NEARLY_USED: Final = 0.9
"""The share of a limit from which it is marked."""
STORES: Final = {
    None: "Counted by this process alone.",
    "answers": "As the store of limits has said last.",
    "away": "The store of limits is away; it has said this last.",
}
REFRESH_SECONDS: Final = 10
HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #c4320a; }
@media (prefers-color-scheme: dark) { :root { --good: #4ac26b; --bad: #ff8a5c; } }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 50em; margin: 0 auto; padding: 1em; }
h1 { font-size: 1.4em; margin: 0 0 .5em; }
h2 { font-size: 1.1em; margin: 1.5em 0 .5em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1em; margin: 0; }
dt { opacity: .7; }
dd { margin: 0; overflow-wrap: anywhere; }
ol, ul { list-style: none; margin: 0; padding: 0; }
li.row { border-top: 1px solid var(--line); padding: .6em 0; }
.name { font-weight: 600; overflow-wrap: anywhere; }
.route { display: flex; flex-wrap: wrap; gap: 0 1em; padding-left: 1em; }
.route span:first-child { flex: 1 1 14em; overflow-wrap: anywhere; }
.limit span:first-child { flex-basis: 8em; }
.good { color: var(--good); } .bad { color: var(--bad); } .note { opacity: .7; }
nav a { display: inline-block; padding: .4em 1em .4em 0; }
"""


def render(processes: Sequence[ProcessStatus]) -> str:
    """Return the page.

    Args:
        processes: The server, or each of its workers.
    """
    return "".join(_page(processes))


def _page(processes: Sequence[ProcessStatus]) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">\n'
    yield f"<title>tokenwire status</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    for process in processes:
        yield from _process(process)
    if not processes:
        yield "<h1>tokenwire</h1>\n<p>No worker answers.</p>\n"
    yield '<nav><a href="metrics">Metrics</a> <a href="healthz">Health</a> '
    yield '<a href="status.json">JSON</a></nav>\n</body>\n</html>\n'


def _process(status: ProcessStatus) -> Iterator[str]:
    title = "tokenwire" if status.worker is None else f"tokenwire, worker {status.worker}"
    yield f"<h1>{title}: {_state(status.state, good=status.state == 'serving')}</h1>\n<dl>\n"
    yield _fact("Version", escape(status.version))
    yield _fact("Uptime", _duration(status.uptime_seconds))
    queued = f", {status.queued} waiting" if status.queued else ""
    yield _fact("Answers", f"{status.streams} of {status.max_streams}{queued}")
    if status.file_usable is not None:
        good = "in use"
        bad = "invalid: the previous content is in use, the log has the problems"
        yield _fact(
            "Gateway file", _state(good if status.file_usable else bad, good=status.file_usable)
        )
    yield "</dl>\n<h2>Models</h2>\n"
    if status.upstreams:
        yield f'<p class="note">Requests of the last {RECENT_MINUTES} minutes.</p>\n'
    yield '<ul class="models">\n'
    for model in status.models[:MAX_ROWS]:
        yield from _model(model)
    yield f"</ul>\n{_more(len(status.models))}"
    if status.upstreams:
        yield '<h2>Upstreams</h2>\n<ul class="upstreams">\n'
        for upstream in status.upstreams[:MAX_ROWS]:
            yield _upstream(upstream)
        yield f"</ul>\n{_more(len(status.upstreams))}"
    if status.callers:
        yield f'<h2>Limits of callers</h2>\n<p class="note">{STORES[status.limit_store]}</p>\n'
        yield '<ul class="callers">\n'
        for caller in sorted(status.callers, key=_largest_share, reverse=True)[:MAX_ROWS]:
            yield _caller(caller)
        yield f"</ul>\n{_more(len(status.callers))}"


def _model(model: ModelStatus) -> Iterator[str]:
    aliases = f' <span class="note">also {escape(", ".join(model.aliases))}</span>'
    serving = _state("served" if model.serving else "not served", good=model.serving)
    yield f'<li class="row"><span class="name">{escape(model.name)}</span> {serving}'
    yield f"{aliases if model.aliases else ''}\n<ol>\n"
    for route in model.routes:
        yield _route(route)
    yield "</ol></li>\n"


def _route(route: RouteStatus) -> str:
    share = f", {route.share:.0%}" if route.share < 1 else ""
    state = route.state if route.state == "full" else f"breaker {route.state}"
    if route.seconds_open:
        state += f" for {_duration(route.seconds_open)}"
    errors = f"{route.failed} failed"
    return (
        f'<li class="route"><span>{route.tier}. {escape(route.name)}{share}</span> '
        f"{_state(state, good=route.state == 'closed')} <span>{route.succeeded} answered</span> "
        f"{_state(errors, good=False) if route.failed else f'<span>{errors}</span>'}</li>\n"
    )


def _upstream(upstream: UpstreamStatus) -> str:
    limit = "" if upstream.max_streams is None else f" of {upstream.max_streams}"
    keys = f", {upstream.keys} keys" if upstream.keys > 1 else ""
    return (
        f'<li class="row"><span class="name">{escape(upstream.name)}</span> '
        f"<span>{upstream.streams}{limit} in flight{keys}</span></li>\n"
    )


def _largest_share(caller: CallerStatus) -> float:
    return max((limit.share for limit in caller.limits), default=0.0)


def _caller(caller: CallerStatus) -> str:
    limits = "\n".join(_limit(limit) for limit in caller.limits)
    name = f'<span class="name">{escape(caller.name)}</span>'
    return f'<li class="row">{name}\n<ol>\n{limits}\n</ol></li>\n'


def _limit(limit: LimitStatus) -> str:
    used = f"{_number(limit.used)} of {_number(limit.amount)}"
    share = _state(f"{limit.share:.0%} used", good=limit.share < NEARLY_USED)
    return (
        f'<li class="route limit"><span>{escape(limit.name)}</span> '
        f"<span>{used}</span> {share}</li>"
    )


def _number(amount: float) -> str:
    """Return a number of calls or tokens, or dollars with four digits of their fractions."""
    return f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.4f}"


def _fact(name: str, value: str) -> str:
    return f"<dt>{name}</dt><dd>{value}</dd>\n"


def _state(text: str, *, good: bool) -> str:
    return f'<span class="{"good" if good else "bad"}">{escape(text)}</span>'


def _more(rows: int) -> str:
    return f"<p>and {rows - MAX_ROWS} more</p>\n" if rows > MAX_ROWS else ""


def _duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as `3 h 5 min`."""
    whole = round(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{number} {unit}" for number, unit in parts[:2])
