package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// options are the parameters of a measurement and the processes whose CPU time is read.
type options struct {
	protocol    string
	target      string
	key         string
	streams     int
	running     int
	connections int
	tokens      int
	rate        float64
	seconds     time.Duration
	ramp        time.Duration
	late        time.Duration
	timeout     time.Duration
	unread      bool
	server      []int
	upstream    []int
}

func parse(arguments []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&o.protocol, "protocol", "grpc", "grpc, openai (SSE) or chat (SSE after POST {\"content\": ...})")
	flags.StringVar(&o.target, "target", "", "HOST:PORT for grpc, else a URL")
	flags.StringVar(&o.key, "key", "", "the key of gRPC calls")
	flags.IntVar(&o.streams, "streams", 1, "answers at a time")
	flags.IntVar(&o.running, "running", 0, "crowd: answers that run already when the crowd comes")
	flags.IntVar(&o.connections, "connections", 0, "gRPC connections; 0: one for each 100 streams")
	flags.IntVar(&o.tokens, "tokens", 1, "tokens of an answer, where its time does not decide")
	flags.Float64Var(&o.rate, "rate", 0, "tokens a second of a stream; 0: as fast as possible")
	seconds(flags, &o.seconds, "seconds", 1, "how long to measure")
	seconds(flags, &o.ramp, "ramp", 1, "over how long paced streams begin")
	seconds(flags, &o.late, "late", 1, "by how much a token may be late and still be in time")
	seconds(flags, &o.timeout, "timeout", 60, "how long one answer may take")
	flags.BoolVar(&o.unread, "unread", false, "parked: it is the reader that stops, not the upstream")
	pids(flags, &o.server, "server-pids", "processes of the server, separated by commas")
	pids(flags, &o.upstream, "upstream-pids", "processes of the upstream")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.target == "" || o.streams < 1 || o.tokens < 1 {
		return o, fmt.Errorf("want -target, and at least one stream and token")
	}
	if o.connections == 0 {
		o.connections = (o.streams + o.running + 99) / 100
	}
	return o, nil
}

func seconds(flags *flag.FlagSet, into *time.Duration, name string, preset float64, usage string) {
	*into = time.Duration(preset * float64(time.Second))
	flags.Func(name, fmt.Sprintf("%s, in seconds (default %g)", usage, preset), func(text string) error {
		value, err := strconv.ParseFloat(text, 64)
		*into = time.Duration(value * float64(time.Second))
		return err
	})
}

func pids(flags *flag.FlagSet, into *[]int, name, usage string) {
	flags.Func(name, usage, func(text string) error {
		for field := range strings.SplitSeq(text, ",") {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return err
			}
			*into = append(*into, pid)
		}
		return nil
	})
}
