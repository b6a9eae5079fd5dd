"""HTTP connections to an upstream, and the reading of its event streams."""
