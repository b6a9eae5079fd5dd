// Command load is both ends of a benchmark: the upstream of a relay, and the
// callers of the relay. It is written in Go so that it does not limit the
// figures, and it reports its own CPU time.
//
// The commands `upstream` and `collector` serve until their standard input
// closes, so that they end with their parent process. The other commands
// measure for a bounded time and print one JSON object.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
)

var commands = map[string]func(arguments []string) error{
	"upstream":  serveUpstream,
	"collector": serveCollector,
	"closed":    measure(closed),
	"paced":     measure(paced),
	"crowd":     measure(crowd),
	"parked":    measure(parked),
	"blocked":   measure(blocked),
}

func main() {
	// Trades memory for fewer garbage collections, because the core is shared.
	debug.SetGCPercent(400)
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load upstream|collector|closed|paced|crowd|parked|blocked [-h]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// measure parses the options, runs one measurement and prints its result.
func measure(run func(options) (result, error)) func([]string) error {
	return func(arguments []string) error {
		given, err := parse(arguments)
		if err != nil {
			return err
		}
		found, err := run(given)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(found)
	}
}

// listen opens a port on the loopback interface and prints its address to stdout.
func listen(arguments []string) (net.Listener, error) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:0", "where to listen")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	fmt.Println(listener.Addr())
	return listener, nil
}

// untilStdinCloses runs serve, and stops it when standard input closes.
func untilStdinCloses(serve func() error, stop func()) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := serve(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
