"""The commands of docs/kubernetes-troubleshooting.md select the pods that the chart makes."""

import pytest

from support import troubleshooting_doc as page
from support.helm import ci, objects, rendering

pytestmark = pytest.mark.tools


def selected(selector: str, labels: dict[str, str]) -> bool:
    """Return whether a selector of equalities selects an object with these labels."""
    wanted = dict(each.split("=") for each in selector.split(","))
    return wanted.items() <= labels.items()


@pytest.mark.parametrize("line", page.commands(page.INTRODUCTION)[:2])
def test_the_first_commands_show_the_pods_of_the_server(line: str) -> None:
    """The selector selects the server's pods, and neither that of `helm test` nor of Redis."""
    *_, option, selector = page.adapted(line, "llm", "models")
    assert option == "--selector"
    pods = {
        each["metadata"]["name"]: each["spec"].get("template", each)["metadata"]["labels"]
        for each in objects(rendering(ci("redis")))
        if each["kind"] in {"Deployment", "Pod"}
    }
    assert set(pods) == {"llm-tokenwire", "llm-tokenwire-redis", "llm-tokenwire-test"}
    assert [name for name in pods if selected(selector, pods[name])] == ["llm-tokenwire"]
