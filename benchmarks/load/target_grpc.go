package main

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

// The flow-control windows: gRPC's default of 64 KiB per stream, and
// effectively no limit per connection, so that an unread stream blocks no other.
const (
	streamWindow     = 64 << 10
	connectionWindow = 1 << 30
)

type grpcTarget struct {
	clients []tokenwirev1.ChatgptClient
	prober  *grpc.ClientConn
	key     string
	turn    atomic.Uint64
}

func dialGRPC(o options) (*grpcTarget, error) {
	set := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if o.unread {
		set = append(set, grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow))
	}
	made := &grpcTarget{key: o.key}
	for range o.connections + 1 {
		connection, err := grpc.NewClient("passthrough:///"+o.target, set...)
		if err != nil {
			return nil, err
		}
		made.clients = append(made.clients, tokenwirev1.NewChatgptClient(connection))
		made.prober = connection
	}
	made.clients = made.clients[:o.connections]
	return made, nil
}

func (t *grpcTarget) open(ctx context.Context, p plan) (stream, error) {
	if t.key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+t.key)
	}
	client := t.clients[t.turn.Add(1)%uint64(len(t.clients))]
	call, err := client.Send(ctx, &tokenwirev1.Message{Content: p.String()})
	return grpcStream{call}, err
}

// probe is a health check. A server without the health service returns
// UNIMPLEMENTED, which is equally cheap.
func (t *grpcTarget) probe(ctx context.Context) error {
	err := t.prober.Invoke(ctx, "/grpc.health.v1.Health/Check", new(emptypb.Empty), new(emptypb.Empty))
	if status.Code(err) == codes.Unimplemented {
		return nil
	}
	return err
}

type grpcStream struct {
	call grpc.ServerStreamingClient[tokenwirev1.Answer]
}

func (s grpcStream) next() (string, error) {
	answer, err := s.call.Recv()
	return answer.GetContent(), err
}
