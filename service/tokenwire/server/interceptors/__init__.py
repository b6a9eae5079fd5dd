"""The interceptors that every call of an endpoint passes through."""
