package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// The interval of the probes, short enough to detect a block of a few milliseconds.
const probeEvery = time.Millisecond

// blocked probes the server while it is idle, and then while it relays long
// answers as fast as possible. A slow probe means a blocked event loop.
func blocked(o options) (result, error) {
	// Otherwise a probe's answer may wait in this process while the long answer is read.
	runtime.GOMAXPROCS(4)
	to, err := dial(o)
	if err != nil {
		return result{}, err
	}
	p := plan{tokens: o.tokens}
	short := options{streams: 1, timeout: o.timeout}
	if warm := together(short, to, plan{tokens: 1}, time.Now()); warm.Errors > 0 {
		return result{}, fmt.Errorf("while warming up: %s", warm.FirstError)
	}
	over := make(chan struct{})
	time.AfterFunc(o.seconds, func() { close(over) })
	idle, err := probes(o, to, over)
	if err != nil {
		return result{}, err
	}
	before, err := readUsage(o)
	if err != nil {
		return result{}, err
	}
	read := make(chan struct{})
	var found result
	begin := time.Now()
	go func() {
		defer close(read)
		found = together(o, to, p, begin.Add(o.seconds))
	}()
	meantime, err := probes(o, to, read)
	if err != nil {
		return result{}, err
	}
	after, err := readUsage(o)
	found.Seconds = time.Since(begin).Seconds()
	found.charge(before, after)
	found.ProbeIdle, found.ProbeMeantime = &idle, &meantime
	return found, err
}

// probes sends probes sequentially until the channel closes; the probe in
// flight at that time counts too.
func probes(o options, to target, until <-chan struct{}) (spread, error) {
	var times []time.Duration
	for {
		ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
		begin := time.Now()
		err := to.probe(ctx)
		cancel()
		if err != nil {
			return spread{}, err
		}
		times = append(times, time.Since(begin))
		select {
		case <-until:
			return spreadOf(times), nil
		case <-time.After(probeEvery):
		}
	}
}
