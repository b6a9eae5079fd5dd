// Command retries streams one answer with the retry policy of a service config.
// It reports each attempt, and of a failed call all details of its status.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

func main() {
	timeout := flag.Duration("timeout", time.Minute, "the longest time that all attempts may take")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(),
			"usage: retries [-timeout DURATION] HOST:PORT SERVICE_CONFIG_FILE TEXT [KEY]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 3 && flag.NArg() != 4 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), flag.Arg(2), flag.Arg(3), *timeout); err != nil {
		explain(err)
		os.Exit(1)
	}
}

func run(target, configFile, text, key string, timeout time.Duration) error {
	serviceConfig, err := os.ReadFile(configFile)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient("dns:///"+target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// Retries need nothing else. An error in the config is an error here.
		grpc.WithDefaultServiceConfig(string(serviceConfig)),
		grpc.WithStatsHandler(&attempts{begun: time.Now()}),
	)
	if err != nil {
		return err
	}
	defer connection.Close()

	// The deadline is that of the call, with all of its attempts and waits.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	stream, err := tokenwirev1.NewChatgptClient(connection).Send(ctx,
		&tokenwirev1.Message{Content: text})
	if err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			fmt.Println()
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Print(answer.GetContent())
	}
}

// explain prints what a failed call says about itself. Programs decide by the
// code and the reason, never by the message.
func explain(err error) {
	failure, ok := status.FromError(err)
	if !ok {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", failure.Code(), failure.Message())
	for _, detail := range failure.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Fprintf(os.Stderr, "reason: %s of %s\n", detail.GetReason(), detail.GetDomain())
		case *errdetails.RetryInfo:
			fmt.Fprintf(os.Stderr, "retry after: %d ms\n",
				detail.GetRetryDelay().AsDuration().Milliseconds())
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				fmt.Fprintf(os.Stderr, "field: %s %s\n",
					violation.GetField(), violation.GetDescription())
			}
		case *errdetails.QuotaFailure:
			for _, violation := range detail.GetViolations() {
				fmt.Fprintf(os.Stderr, "limit: %s\n", violation.GetDescription())
			}
		}
	}
}

// attempts prints when each attempt of a call begins. gRPC hides attempts from
// interceptors, and shows them to handlers of statistics.
type attempts struct{ begun time.Time }

func (a *attempts) HandleRPC(_ context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.Begin); ok {
		fmt.Fprintf(os.Stderr, "attempt after %d ms\n", time.Since(a.begun).Milliseconds())
	}
}

func (a *attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (a *attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (a *attempts) HandleConn(context.Context, stats.ConnStats) {}
