"""The gateway file in the chart: checked by Helm, and reloaded instead of rolled."""

import pytest

from support.helm import CHART, ci, helm, of_kind, rendering

pytestmark = pytest.mark.tools

VALUES = ci("models")


def test_another_file_rolls_nothing() -> None:
    """When only the file changes, the Deployment stays as it is and the ConfigMap changes."""
    before = rendering(VALUES)
    after = rendering(VALUES, "--set", "gatewayFile.content.models.smart.routes=gpu/other")
    assert of_kind(before, "Deployment") == of_kind(after, "Deployment")
    assert of_kind(before, "ConfigMap") != of_kind(after, "ConfigMap")


MISTAKES = {
    "gatewayFile.content.modls=1": "'modls' not allowed",
    "gatewayFile.content.upstreams.gpu.max_streams=0": "/content/upstreams/gpu/max_streams",
    "gatewayFile.content.models.fast.routes=5": "/gatewayFile/content/models/fast/routes",
    "gatewayFile.content.upstreams.gpu.dialect=old": "/gatewayFile/content/upstreams/gpu/dialect",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_helm_checks_the_file(mistake: str) -> None:
    """A mistake in the file stops the installation, with the place of the mistake."""
    done = helm("template", "llm", CHART, "--values", VALUES, "--set", mistake)
    assert done.returncode == 1
    assert MISTAKES[mistake] in done.stderr
