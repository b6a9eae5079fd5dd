"""Providers of LangChain are held to the failure table, each over its own wire format."""
