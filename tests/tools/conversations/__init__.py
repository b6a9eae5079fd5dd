"""One conversation in each wire format, byte by byte on both sides."""
