package main

import (
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// serveCollector accepts what an OTLP exporter sends over gRPC and drops it.
func serveCollector(arguments []string) error {
	listener, err := listen(arguments)
	if err != nil {
		return err
	}
	// An empty message decodes anything and is a valid answer to any export.
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
			return err
		}
		return stream.SendMsg(new(emptypb.Empty))
	}))
	return untilStdinCloses(func() error { return server.Serve(listener) }, server.Stop)
}
