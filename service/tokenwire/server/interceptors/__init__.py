"""What surrounds every call of an endpoint."""
