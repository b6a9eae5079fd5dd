package main

import (
	"context"
	"fmt"
)

// A target is a server that relays answers.
type target interface {
	// open requests an answer. Cancelling the context ends it.
	open(ctx context.Context, p plan) (stream, error)
	// probe makes the cheapest request of the server, on a connection of its own.
	probe(ctx context.Context) error
}

// A stream is one answer.
type stream interface {
	// next returns the next piece of text, which may be empty, or io.EOF after
	// a complete answer.
	next() (string, error)
}

func dial(o options) (target, error) {
	switch o.protocol {
	case "grpc":
		return dialGRPC(o)
	case "openai", "chat":
		return newSSE(o), nil
	}
	return nil, fmt.Errorf("unknown protocol %q", o.protocol)
}
