// Command balancing calls several servers of tokenwire through one channel, one
// call after another, until it is killed. For each call it prints the address
// of the server that ended it, and the status code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/weightedroundrobin"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: balancing SERVICE_CONFIG HOST:PORT...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(serviceConfig string, servers []string) error {
	// In place of a DNS name that resolves to every server.
	names := manual.NewBuilderWithScheme("servers")
	var state resolver.State
	for _, server := range servers {
		address := resolver.Address{Addr: server}
		state.Endpoints = append(state.Endpoints,
			resolver.Endpoint{Addresses: []resolver.Address{address}})
	}
	names.InitialState(state)
	connection, err := grpc.NewClient("servers:///all",
		grpc.WithResolvers(names),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	client := tokenwirev1.NewChatgptClient(connection)
	for {
		var server peer.Peer
		code := status.Code(call(client, &server))
		if server.Addr == nil {
			return fmt.Errorf("no server was reached: %s", code)
		}
		if _, err := fmt.Println(server.Addr, code); err != nil {
			return err
		}
	}
}

// call reads one answer, and sets the peer that gave it.
func call(client tokenwirev1.ChatgptClient, server *peer.Peer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := client.Send(ctx, &tokenwirev1.Message{Content: "hello"}, grpc.Peer(server))
	if err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
