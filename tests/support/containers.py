"""Runs the image in containers with the options that the chart sets in Kubernetes."""

import itertools
import json
import os
import subprocess
from typing import Any, Final

from image import container, podman
from support.helm import ci, pod_specs, rendering
from support.process import ServerProcess
from support.programs import ROOT, Outcome, run

IMAGE: Final = "localhost/tokenwire:local"
DEMO: Final = f"{IMAGE}-demo"
"""The same image with the simulator."""
CANARY: Final = "canary-b51f"
LEAKS: Final = {
    "OPENAI_API_KEY": f"sk-{CANARY}",
    "PIP_TRUSTED_HOST": f"{CANARY}.invalid",
    "GOPRIVATE": f"{CANARY}.invalid/module",
    "NO_PROXY": f"{CANARY}.invalid",
}
"""Settings of the build environment that must not get into the image."""

NUMBERS: Final = itertools.count()
# With the network of the host, a test needs no bridge and no fixed port.
ON_THIS_MACHINE: Final = (
    *("--network", "host"),
    *("--env", "TOKENWIRE_LISTEN=127.0.0.1:0", "--env", "TOKENWIRE_METRICS_LISTEN=127.0.0.1:0"),
)


def chart_pod() -> dict[str, Any]:
    """Return the spec of the server's pod, as the chart renders it for the demo."""
    [pod] = [pod for name, pod in pod_specs(rendering(ci("demo"))).items() if "Deployment" in name]
    return pod


def chart_options(*, tmp: bool = True) -> list[str]:
    """Return the options of `podman run` that match the chart's container."""
    pod = chart_pod()
    [server] = pod["containers"]
    context = pod["securityContext"] | server["securityContext"]
    own = {
        "runAsUser": f"--user={context['runAsUser']}:{context['runAsGroup']}",
        "readOnlyRootFilesystem": "--read-only",
        "allowPrivilegeEscalation": "--security-opt=no-new-privileges",
        "capabilities": f"--cap-drop={','.join(context['capabilities']['drop'])}",
    }
    # Podman's default is the runtime's profile; the rest concerns the user above or volumes.
    other = {"seccompProfile", "runAsNonRoot", "runAsGroup", "fsGroup", "fsGroupChangePolicy"}
    assert set(context) == set(own) | other
    [volume] = pod["volumes"]
    size = volume["emptyDir"]["sizeLimit"].removesuffix("Mi")
    memory = int(server["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024
    return [
        *own.values(),
        "--read-only-tmpfs=false",
        f"--memory={memory}m",
        *([f"--tmpfs={server['volumeMounts'][0]['mountPath']}:size={size}m"] if tmp else []),
    ]


class Container(ServerProcess):
    """A container of the image, serving once the block is entered; leaving the block removes it.

    Args:
        options: The options of `podman run`.
        command: The command to run instead of the image's own.
        image: IMAGE or DEMO.
    """

    def __init__(self, *options: str, command: tuple[str, ...] = (), image: str = IMAGE) -> None:
        super().__init__()
        self.name = f"tokenwire-test-{os.getpid()}-{next(NUMBERS)}"
        started = container("--rm", "--name", self.name, *options, image, *command)
        self._command = tuple(map(str, started))
        # Podman would run the HEALTHCHECK periodically; here, tests run it.
        self._env = {**os.environ, "DISABLE_HC_SYSTEMD": "true"}

    async def exec(self, *command: str) -> Outcome:
        """Run a command in the container."""
        return await run(*podman("exec", self.name, *command))

    async def healthcheck(self) -> int:
        """Run the image's own HEALTHCHECK; return its exit code."""
        return (await run(*podman("healthcheck", "run", self.name))).code

    async def _close(self) -> None:
        await run(*podman("rm", "--force", "--time", "0", self.name))
        await super()._close()


def build() -> None:
    """Build both images by `make image` if they do not exist; the first build takes minutes."""
    make = ["make", "image", "ENGINE=local"]
    subprocess.run(make, cwd=ROOT, env={**os.environ, **LEAKS}, check=True)


def inspected(image: str = IMAGE) -> dict[str, Any]:
    """Return the metadata of an image."""
    shown = subprocess.run(podman("image", "inspect", image), check=True, stdout=subprocess.PIPE)
    images: list[dict[str, Any]] = json.loads(shown.stdout)
    return images[0]


async def output_of(*options: str, command: tuple[str, ...], image: str = IMAGE) -> str:
    """Run a container until it ends; return what it printed. It must exit with 0."""
    done = await ended(*options, command=command, image=image)
    assert done.code == 0, done.stderr
    return done.stdout


async def ended(*options: str, command: tuple[str, ...], image: str = IMAGE) -> Outcome:
    """Run a container until it ends."""
    return await run(*container("--rm", "--no-healthcheck", *options, image, *command))
