"""The stubs of the API of Google's Vertex AI, as far as this service serves it."""
