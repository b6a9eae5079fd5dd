// Package example has what the examples share: the command line, the
// connection, and the text of a failed call.
package example

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
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

// Main is an example after its first argument, HOST:PORT: it has a client of
// that server and the other arguments.
type Main func(ctx context.Context, client tokenwirev1.ChatgptClient, arguments []string) error

// Run runs an example. The words of usage name its arguments. Run ends the
// program with code 1 if main fails, and with code 2 if an argument is missing.
func Run(name, usage string, main Main) {
	timeout := flag.Duration("timeout", time.Minute, "the longest time that all calls may take")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: %s [-timeout DURATION] %s\n", name, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != len(strings.Fields(usage)) {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(main, flag.Args(), *timeout); err != nil {
		fmt.Fprintln(os.Stderr, Explain(err))
		os.Exit(1)
	}
}

func run(main Main, arguments []string, timeout time.Duration) error {
	// Ctrl-C cancels the call, and the server stops the model. Once it has, a
	// second Ctrl-C ends the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)

	// The deadline travels with the call: the server knows when to give up.
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	// A connection is meant to live as long as the program and to be shared by
	// all of its calls.
	connection, err := grpc.NewClient("dns:///"+arguments[0],
		// Inside a mesh or a cluster TLS often ends before the server. Where
		// it does not: credentials.NewTLS(&tls.Config{}).
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	return main(ctx, tokenwirev1.NewChatgptClient(connection), arguments[1:])
}

// Explain puts an error in one line: of a failed call its status code, the
// service's own reason where it gives one, and the message.
func Explain(err error) string {
	failure, ok := status.FromError(err)
	if !ok {
		return err.Error()
	}
	for _, detail := range failure.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return fmt.Sprintf("%s (%s): %s", failure.Code(), info.GetReason(), failure.Message())
		}
	}
	return fmt.Sprintf("%s: %s", failure.Code(), failure.Message())
}
