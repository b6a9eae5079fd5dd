"""The archive of `make image-archive`, which is loaded onto the nodes of a cluster."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from image_archive import commands
from support.programs import ROOT
from tokenwire import __version__

IMAGES = [f"tokenwire:{__version__}", f"tokenwire:{__version__}-demo"]


# The first build takes minutes.
@pytest.mark.tools
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("image")
def test_the_images_have_the_names_that_nodes_look_for(tmp_path: Path) -> None:
    """The images of the archive have the names of the chart, as Kubernetes completes them."""
    archive = tmp_path / "images.tar"
    subprocess.run(
        ["make", "image-archive", "ENGINE=local", f"ARCHIVE={archive}"], cwd=ROOT, check=True
    )
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        tags = [each["RepoTags"] for each in json.load(manifest)]
    assert tags == [[f"docker.io/library/{name}"] for name in IMAGES]


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_every_engine_saves_both_images(engine: str) -> None:
    """With Docker and Podman too, the last command saves both images into the archive.

    Docker's own names have no registry, and Podman's are tagged before.
    """
    *tags, save = commands(engine, Path("images.tar"), IMAGES)
    assert save[:2] == [engine, "save"]
    assert save[save.index("--output") + 1] == Path("images.tar")
    names = [str(word).removeprefix("docker.io/library/") for word in save[-2:]]
    assert names == IMAGES
    assert all(tag[:2] == ["podman", "tag"] for tag in tags)
    assert len(tags) == (0 if engine == "docker" else 2)
