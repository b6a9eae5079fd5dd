"""The dashboard files: requirements of Grafana and of on-call engineers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from panel_queries import DASHBOARDS, PanelQuery, panel_queries
from support.programs import ROOT

FILES = sorted(DASHBOARDS.glob("*.json"))
QUERIES = panel_queries()
DOCUMENTED = (ROOT / "docs" / "metrics.md").read_text()
RULES = (ROOT / "observability" / "prometheus" / "rules.yml").read_text()


def loaded() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in FILES]


def id_of(query: PanelQuery) -> str:
    return f"{query.dashboard}-{query.title}-{query.legend}"


def test_dashboards_can_be_provisioned() -> None:
    """Each dashboard has a unique, stable uid and no inputs that an import must supply."""
    assert {each["uid"] for each in loaded()} == {
        "tokenwire-overview",
        "tokenwire-model",
        "tokenwire-process",
        "tokenwire-routes",
        "tokenwire-callers",
    }
    for dashboard in loaded():
        assert not {"__inputs", "__requires", "id"} & set(dashboard)


def test_dashboards_let_choose_what_they_show() -> None:
    """The data source and several namespaces, jobs, instances and models can be selected."""
    for dashboard in loaded():
        source, *others = dashboard["templating"]["list"]
        assert (source["name"], source["type"]) == ("datasource", "datasource")
        assert [each["name"] for each in others] == ["namespace", "job", "instance", "model"]
        assert all(each["multi"] and each["includeAll"] for each in others)
        sources = list(all_of("datasource", dashboard))
        assert sources
        assert all(each["uid"] == "${datasource}" for each in sources)


def test_what_can_be_chosen_depends_on_what_was_chosen_before() -> None:
    """Each variable offers only values within the namespaces and jobs selected before it."""
    for dashboard in loaded():
        _, *others = dashboard["templating"]["list"]
        queries = {each["name"]: each["query"]["query"] for each in others}
        assert "$" not in queries.pop("namespace")
        assert "$job" not in queries["job"]
        assert all('namespace=~"$namespace"' in query for query in queries.values())
        assert all('job=~"$job"' in queries[name] for name in ("instance", "model"))


def shows(dashboard: dict[str, Any], picker: str) -> bool:
    """Return whether a dashboard shows the picker of a variable."""
    [variable] = [each for each in dashboard["templating"]["list"] if each["name"] == picker]
    return not variable.get("hide")


def test_a_panel_that_ignores_a_picker_says_so() -> None:
    """A panel's queries use instance and model, or its description says that it ignores them.

    The dashboards of processes, routes and callers have no picker of models that could be ignored.
    """
    dashboards = {each["uid"]: each for each in loaded()}
    shown = {uid for uid, each in dashboards.items() if shows(each, "model")}
    assert shown == {"tokenwire-overview", "tokenwire-model"}
    said = []
    for dashboard in dashboards.values():
        for panel in dashboard["panels"]:
            ignored = [
                picker
                for picker in ("instance", "model")
                if shows(dashboard, picker)
                and not all(f"${picker}" in target["expr"] for target in panel["targets"])
            ]
            found = re.findall(r"Shows all (.*), whatever is chosen\.$", panel["description"])
            assert found == ([" and ".join(f"{each}s" for each in ignored)] if ignored else [])
            said += found
    assert {"models", "instances and models"} == set(said)


def all_of(key: str, node: Any) -> Iterator[Any]:
    """Yield the value of every occurrence of a key."""
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for each in node.values():
            yield from all_of(key, each)
    elif isinstance(node, list):
        for each in node:
            yield from all_of(key, each)


def test_panels_explain_themselves() -> None:
    """Each panel has a unique title, a description and a unit."""
    for dashboard in loaded():
        titles = [panel["title"] for panel in dashboard["panels"]]
        assert len(set(titles)) == len(titles)
        for panel in dashboard["panels"]:
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_do_not_overlap() -> None:
    """No two panels of a dashboard overlap, and none extends beyond the grid."""
    for dashboard in loaded():
        places = [
            (x, y)
            for panel in dashboard["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(set(places)) == len(places)
        assert max(x for x, _ in places) < 24


def test_a_query_obeys_what_is_chosen(subtests: pytest.Subtests) -> None:
    """Selectors use namespace, job and instance, or a recording rule; windows are Grafana's own."""
    for query in QUERIES:
        with subtests.test(query=query):
            names = re.findall(r"([a-z_:0-9]+)\{([^}]*)\}", query.expr)
            assert names
            for name, labels in names:
                assert 'namespace=~"$namespace", job=~"$job"' in labels
                if name.startswith("job:"):
                    assert f"record: {name}\n" in RULES
                    continue
                assert 'instance=~"$instance"' in labels
                base = re.sub(r"_(bucket|count|sum)$", "", name)
                own = name != "up" and not name.startswith(("process_", "python_"))
                assert not own or f"`{base}`" in DOCUMENTED
            for window in re.findall(r"\[([^]]*)\]", query.expr):
                assert window in {"$__rate_interval", "$__range"}


def test_pictures_show_every_panel(subtests: pytest.Subtests) -> None:
    """The picture of each dashboard shows all panels and states that Grafana did not draw it."""
    for file in FILES:
        with subtests.test(file=file):
            picture = (ROOT / "docs" / "images" / f"dashboard-{file.stem}.svg").read_text()
            for panel in json.loads(file.read_text())["panels"]:
                assert f">{panel['title']}</text>" in picture, "stale: run `make pictures`"
            assert "drawn from the queries of the panels, not by Grafana" in picture


def test_the_runbook_names_panels_that_are_there() -> None:
    """Each panel that the runbook refers to is on a dashboard."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    looked_at = re.findall(r"\*\*Look at\.\*\*(.*)", runbook)
    named = {name for line in looked_at for name in re.findall(r'"([^"]+)"', line)}
    assert len(named) > 5
    assert named <= {query.title for query in QUERIES}
