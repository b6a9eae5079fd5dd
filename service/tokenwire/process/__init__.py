"""The life of a serving process, and what it asks of its operating system."""
