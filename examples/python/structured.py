"""Reads an image and answers in the form of a Python class.

python structured.py localhost:50051 FILE.png
"""

import mimetypes
import sys
from pathlib import Path

from pydantic import BaseModel

from tokenwire_client import ChatError, Part, SyncClient
from tokenwire_client.schemas import format_of, parse


class Picture(BaseModel):
    """What a picture shows."""

    title: str
    colors: list[str]


def main(target: str, file: Path) -> None:
    """Print what the model sees."""
    media_type, _ = mimetypes.guess_type(file)
    image = Part(inline=file.read_bytes(), media_type=media_type or "image/png")
    with SyncClient(target) as client:
        answer = client.ask(
            "What does this picture show?",
            parts=[image],
            format=format_of(Picture, strict=True),
            timeout=60,
        )
    picture = parse(answer, Picture)
    print(f"{picture.title}: {', '.join(picture.colors)}")


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004 - the program, the target and the file
        sys.exit(__doc__)
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except ChatError as error:
        sys.exit(str(error))
