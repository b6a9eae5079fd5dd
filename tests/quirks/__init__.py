"""What real upstreams send: literal responses, and what the caller receives for each."""
