"""Text from elsewhere, made safe for a terminal."""

# ESC and its kind move the cursor, rename windows and worse; a carriage return
# lets a line overwrite itself, and is no loss.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): ""}


def printable(text: str) -> str:
    """Show control characters by their codes; newlines and tabs stay."""
    return text.translate(_ESCAPES)


def printable_line(text: str | None) -> str:
    """The same on one line."""
    return printable(" ".join((text or "").split()))
