"""HTTP connections to upstreams, and the reader of server-sent events."""
