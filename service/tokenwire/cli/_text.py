"""Escapes untrusted text for a terminal."""

# Control characters such as ESC can move the cursor or rename windows. A carriage return is
# removed, because it would overwrite the line.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): ""}


def printable(text: str) -> str:
    """Return `text` with control characters escaped, except newlines and tabs."""
    return text.translate(_ESCAPES)


def printable_line(text: str | None) -> str:
    """Return `text` on one line, with control characters escaped."""
    return printable(" ".join((text or "").split()))
