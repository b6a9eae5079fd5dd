"""Upstreams that implement OpenAI's chat-completions API."""
