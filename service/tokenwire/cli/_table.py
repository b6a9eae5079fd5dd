"""Prints rows as an aligned table."""

from collections.abc import Container, Iterable, Sequence

from tokenwire.cli._text import printable_line


def table(rows: Iterable[Sequence[str]], numbers: Container[int] = ()) -> list[str]:
    """Return the rows as lines, with columns of equal width.

    Args:
        rows: The cells of each row, the head first.
        numbers: The indexes of the columns that are aligned to the right.
    """
    texts = [[printable_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    ]
