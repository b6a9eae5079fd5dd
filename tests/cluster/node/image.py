"""Writes a container image of one program, as `docker save` would.

    image.py NAME ARCHIVE PROGRAM [FILE...]

The image has the program in its root folder, and each FILE, such as a library, at its own path. It
runs the program as user 65535.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path


def archive(files: dict[str, tuple[bytes, int]]) -> bytes:
    """Return a tar of files without times and owners, so that equal files give an equal tar.

    Args:
        files: The content and the mode of each file, by name.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def main() -> None:
    """Write the image."""
    name, out, program, *files = sys.argv[1:]
    path = Path(program)
    paths = {path.name: path} | {file.lstrip("/"): Path(file) for file in files}
    layer = archive({each: (place.read_bytes(), 0o755) for each, place in paths.items()})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": [f"/{path.name}"],
            "Env": ["PATH=/"],
            "User": "65535:65535",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "image.py"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    Path(out).write_bytes(archive({key: (value, 0o644) for key, value in parts.items()}))


if __name__ == "__main__":
    main()
