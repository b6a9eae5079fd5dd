"""What surrounds every call between gRPC and the methods."""
