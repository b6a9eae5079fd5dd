"""The stubs of the API of xAI, as far as this service serves it."""
