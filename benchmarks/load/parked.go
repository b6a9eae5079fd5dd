package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// The tokens that a parked stream has received.
	parkedAfter = 10
	// The tokens of an unread answer: more than all buffers hold.
	unreadTokens = 100_000
	// The time until buffers are full and the server is idle.
	untilParked = 3 * time.Second
)

// parked opens streams that stop within their answers, because the upstream
// pauses or (unread) because the reader stops, and compares the memory of the
// server before and after.
func parked(o options) (result, error) {
	to, err := dial(o)
	if err != nil {
		return result{}, err
	}
	// Warms up: memory that the first calls allocate once is not a cost of a stream.
	few := o
	few.streams = min(o.streams, 10)
	warm := together(few, to, plan{tokens: parkedAfter}, time.Now())
	if warm.Errors > 0 {
		return result{}, fmt.Errorf("while warming up: %s", warm.FirstError)
	}
	time.Sleep(untilParked / 3)
	var found result
	if found.IdleBytes, err = residentBytes(o.server); err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	p := plan{tokens: parkedAfter, pause: true}
	if o.unread {
		p = plan{tokens: unreadTokens}
	}
	begin := time.Now()
	errs := make([]error, o.streams)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = park(ctx, to, p) })
	}
	group.Wait()
	time.Sleep(untilParked)
	for _, err := range errs {
		if err != nil {
			found.fail(err)
			continue
		}
		found.Answers++
	}
	found.Seconds = time.Since(begin).Seconds()
	found.ParkedBytes, err = residentBytes(o.server)
	return found, err
}

// park reads the first tokens of an answer and leaves it open.
func park(ctx context.Context, to target, p plan) error {
	answer, err := to.open(ctx, p)
	if err != nil {
		return err
	}
	var check checker
	for check.tokens < parkedAfter {
		piece, err := answer.next()
		if err != nil {
			return err
		}
		if _, err := check.add(piece); err != nil {
			return err
		}
	}
	return nil
}
