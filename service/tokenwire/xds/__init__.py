"""Stubs generated from proto/tokenwire/xds by `make generate`."""
