"""Writes images into one archive: image_archive.py ENGINE ARCHIVE IMAGE...

`make image-archive` runs this. The images have the names that Kubernetes expands a name without a
registry to, so that the nodes of a cluster find them after the archive is loaded. Podman's own
names, which begin with `localhost/`, they would not find.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

REGISTRY: Final = "docker.io/library"


def commands(engine: str, archive: Path, images: list[str]) -> list[list[str | Path]]:
    """Return the commands that write the archive.

    Args:
        engine: `docker`, `podman`, or `local` for the images of tools/image.py.
        archive: The file to write.
        images: The names of the images, without a registry.
    """
    if engine == "docker":
        return [["docker", "save", "--output", archive, *images]]
    podman: list[str | Path] = ["podman"]
    if engine == "local":
        from image import STORE  # noqa: PLC0415 - needs root's tools only here

        podman += STORE
    names = [f"{REGISTRY}/{image}" for image in images]
    tags = [
        [*podman, "tag", f"localhost/{image}", name]
        for image, name in zip(images, names, strict=True)
    ]
    save = ("save", "--quiet", "--multi-image-archive", "--format", "docker-archive")
    return [*tags, [*podman, *save, "--output", archive, *names]]


def main() -> None:
    """Write the archive."""
    engine, place, *images = sys.argv[1:]
    archive = Path(place)
    archive.parent.mkdir(parents=True, exist_ok=True)
    # Podman does not overwrite an archive.
    archive.unlink(missing_ok=True)
    for command in commands(engine, archive, images):
        subprocess.run(command, check=True)
    print(f"wrote {archive}")


if __name__ == "__main__":
    main()
