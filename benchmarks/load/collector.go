package main

import (
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// serveCollector accepts and discards the OTLP exports that arrive over gRPC.
func serveCollector(arguments []string) error {
	listener, err := listen(arguments)
	if err != nil {
		return err
	}
	// An empty message can be decoded from any request, and is a valid response.
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
			return err
		}
		return stream.SendMsg(new(emptypb.Empty))
	}))
	return untilStdinCloses(func() error { return server.Serve(listener) }, server.Stop)
}
