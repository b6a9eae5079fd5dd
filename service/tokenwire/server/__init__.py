"""The gRPC server, its interceptors, health, reflection and TLS."""
