"""The chart on a cluster, as docs/kubernetes.md installs it."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from support import kubernetes_doc as doc
from support.fenced import fenced
from support.helm import CI, CI_NAMES, objects, of_kind, rendering
from support.kube import Namespace, command, kubectl
from support.programs import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

READY_SECONDS = 30
PATH = f"{ROOT}/.venv/bin:{ROOT}/.tools/bin:$PATH"
ANSWER = "This is tokenwire's built-in demo model"


def shell(line: str, within: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command of the page as a user types it."""
    return command("sh", "-c", f"PATH={PATH}; {line}", within=within)


@contextmanager
def in_another_terminal(line: str) -> Iterator[None]:
    """Run a command of the page during a block, which is entered once it has printed a line."""
    words = ["sh", "-c", f"PATH={PATH}; exec {line}"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "Forwarding from" in process.stdout.readline()
            yield
        finally:
            process.send_signal(signal.SIGINT)


def seconds_to_ready(pod: dict[str, Any]) -> float:
    """Return the time from a pod's creation until it was ready."""
    [ready] = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    assert ready["status"] == "True"
    created, since = (
        datetime.fromisoformat(text)
        for text in (pod["metadata"]["creationTimestamp"], ready["lastTransitionTime"])
    )
    return (since - created).total_seconds()


def test_the_page_installs_word_for_word() -> None:
    """The commands of "Install in five minutes" install the demo model, test it and call it.

    Both pods are ready within 30 s.
    """
    namespace = Namespace(doc.NAMESPACE)
    section = doc.TEXT.partition("## Install in five minutes")[2]
    first, forward, chat = fenced(section, "sh")[:3]
    install, rollout, test = first.splitlines()
    try:
        shell(install)
        assert "successfully rolled out" in shell(rollout).stdout
        tested = shell(test).stdout
        assert re.search(r"^Phase: +Succeeded$", tested, re.MULTILINE)
        assert ANSWER in tested
        pods = namespace.pods()
        assert len(pods) == 2
        assert max(map(seconds_to_ready, pods)) <= READY_SECONDS
        with in_another_terminal(forward):
            assert ANSWER in shell(chat).stdout
    finally:
        namespace.delete()
        kubectl("wait", "--for=delete", f"namespace/{doc.NAMESPACE}", "--timeout=60s")


def test_the_plain_manifests_serve(namespace: Namespace) -> None:
    """The demo of deploy/k8s serves in a namespace that enforces the restricted profile."""
    namespace.kubectl("apply", "--kustomize", "deploy/k8s/demo")
    namespace.wait_until_ready(2)
    answer = namespace.kubectl("exec", "deployment/tokenwire", "--", "tokenwire", "chat", "hello")
    assert ANSWER in answer


@pytest.mark.usefixtures("definitions")
@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
def test_the_api_server_accepts_every_object(values: Any, kept_namespace: Namespace) -> None:
    """The API server accepts every object of each values file, without a warning.

    The pod template fits the restricted profile of the namespace, of which it would warn.
    """
    text = rendering(values).replace("namespace: models", f"namespace: {kept_namespace.name}")
    # Without its account, the pod of `helm test` would be rejected.
    if accounts := of_kind(text, "ServiceAccount"):
        kept_namespace.apply(*accounts)
    done = command("kubectl", "apply", "--dry-run=server", "--filename", "-", stdin=text)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(objects(text))
