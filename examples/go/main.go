// Command chat streams one answer from tokenwire to the terminal.
//
// The answer goes to stdout as its tokens arrive; how it ended goes to stderr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

// Every pod behind the name gets its share of the calls. gRPC's default,
// pick_first, would send them all to one.
const serviceConfig = `{"loadBalancingConfig": [{"round_robin": {}}]}`

func main() {
	timeout := flag.Duration("timeout", time.Minute, "the longest time that the whole answer may take")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: chat [-timeout DURATION] HOST:PORT TEXT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := chat(flag.Arg(0), flag.Arg(1), *timeout); err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		os.Exit(1)
	}
}

// chat sends text to target and prints the answer while it is written.
func chat(target, text string, timeout time.Duration) error {
	// Ctrl-C cancels the call, and the server stops the model. Once it has, a
	// second Ctrl-C ends the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)

	// The deadline travels with the call: the server knows when to give up.
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	// A client is meant to live as long as the program and to be shared by all
	// of its calls; this program makes only one.
	client, err := grpc.NewClient("dns:///"+target,
		// Inside a mesh or a cluster TLS often ends before the server. Where
		// it does not: credentials.NewTLS(&tls.Config{}).
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	stream, err := tokenwirev1.NewChatgptClient(client).Send(ctx, &tokenwirev1.Message{Content: text})
	if err != nil {
		return err
	}
	var last *tokenwirev1.Answer
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if last != nil {
				fmt.Println() // what arrived stays readable above the error
			}
			return err
		}
		last = answer
		fmt.Print(answer.GetContent())
	}
	fmt.Println()
	report(last)
	return nil
}

// report says how the answer ended; the last Answer of a call knows.
func report(last *tokenwirev1.Answer) {
	fmt.Fprintln(os.Stderr, "model:", last.GetModel())
	fmt.Fprintln(os.Stderr, "finish reason:", last.GetFinishReason())
	if usage := last.GetUsage(); usage != nil {
		fmt.Fprintf(os.Stderr, "usage: %d input tokens, %d output tokens\n",
			usage.GetInputTokens(), usage.GetOutputTokens())
	} else {
		fmt.Fprintln(os.Stderr, "usage: not reported by the upstream")
	}
}

// explain puts a failed call in one line: its status code, the service's own
// reason where it gives one, and the message.
func explain(err error) string {
	failure := status.Convert(err)
	for _, detail := range failure.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return fmt.Sprintf("%s (%s): %s", failure.Code(), info.GetReason(), failure.Message())
		}
	}
	return fmt.Sprintf("%s: %s", failure.Code(), failure.Message())
}
