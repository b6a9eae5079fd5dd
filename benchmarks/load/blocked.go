package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Between two probes: often enough to meet a block of a few milliseconds.
const probeEvery = time.Millisecond

// blocked probes the server, first idle, then while it relays long answers as
// fast as they come: a probe that waits is an event loop that does not turn.
func blocked(o options) (result, error) {
	// Else a probe's answer may wait here while the long answer is read.
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

// probes sends one probe after the other until the channel closes; the one
// then on its way counts.
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
