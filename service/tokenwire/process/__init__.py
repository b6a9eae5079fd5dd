"""The lifecycle of a serving process and its operating system limits."""
