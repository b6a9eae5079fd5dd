package main

import (
	"fmt"
	"sync"
	"time"
)

// crowd begins all streams at the same moment, while others run already. The
// window begins with the crowd, so every token of it counts. The times to the
// first token are the crowd's; the lateness of the running streams is their own.
func crowd(o options) (result, error) {
	if o.rate <= 0 || o.running < 1 {
		return result{}, fmt.Errorf("want -rate and -running")
	}
	to, err := dial(o)
	if err != nil {
		return result{}, err
	}
	counted := windowAfterRamp(o)
	ctx, cancel := counted.withDeadline()
	defer cancel()

	running, arriving := make([]follower, o.running), make([]follower, o.streams)
	var group sync.WaitGroup
	for i := range running {
		group.Go(func() {
			time.Sleep(o.ramp * time.Duration(i) / time.Duration(o.running))
			running[i].err = running[i].follow(ctx, o, to, counted)
		})
	}
	time.Sleep(time.Until(counted.begin))
	before, err := readUsage(o)
	if err != nil {
		return result{}, err
	}
	for i := range arriving {
		group.Go(func() { arriving[i].err = arriving[i].follow(ctx, o, to, counted) })
	}
	time.Sleep(time.Until(counted.end))
	after, err := readUsage(o)
	group.Wait()
	found, others := sumOf(arriving), sumOf(running)
	found.RunningLateness = others.Lateness
	found.Tokens += others.Tokens
	found.Messages += others.Messages
	found.Due += others.Due
	found.InTime += others.InTime
	found.Answers += others.Answers
	if found.Errors += others.Errors; found.FirstError == "" {
		found.FirstError = others.FirstError
	}
	found.Seconds = o.seconds.Seconds()
	found.charge(before, after)
	return found, err
}
