"""The stubs of the contract, of which a process must have one copy: that of `tokenwire_client`."""

from tokenwire_client.v1 import chatgpt_pb2, chatgpt_pb2_grpc

__all__ = ["chatgpt_pb2", "chatgpt_pb2_grpc"]
