package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// The time between the start of the last stream and the counted window.
const settle = time.Second

// A follower is a caller whose answer arrives at a fixed rate.
type follower struct {
	opened     bool
	firstToken time.Duration
	messages   int
	tokens     int
	dueTokens  int
	inTime     int
	lateness   []time.Duration
	err        error
}

// window is the time range that is counted.
type window struct {
	begin, end time.Time
	late       time.Duration
}

// paced runs all streams concurrently, each at the same rate, and counts the
// tokens in a window in which all of them stream. Token i of a stream is due
// i/rate seconds after its call started. It is in time if it arrives at most
// the allowed lateness after that; a token that never arrives is not in time.
func paced(o options) (result, error) {
	if o.rate <= 0 {
		return result{}, fmt.Errorf("want -rate")
	}
	to, err := dial(o)
	if err != nil {
		return result{}, err
	}
	counted := windowAfterRamp(o)
	ctx, cancel := counted.withDeadline()
	defer cancel()

	followers := make([]follower, o.streams)
	var group sync.WaitGroup
	for i := range followers {
		group.Go(func() {
			time.Sleep(o.ramp * time.Duration(i) / time.Duration(o.streams))
			followers[i].err = followers[i].follow(ctx, o, to, counted)
		})
	}
	time.Sleep(time.Until(counted.begin))
	before, err := readUsage(o)
	if err != nil {
		return result{}, err
	}
	time.Sleep(time.Until(counted.end))
	after, err := readUsage(o)
	group.Wait()
	found := sumOf(followers)
	found.Seconds = o.seconds.Seconds()
	found.charge(before, after)
	return found, err
}

func sumOf(followers []follower) result {
	var sum result
	var first, late []time.Duration
	for _, f := range followers {
		sum.Tokens += f.tokens
		sum.Messages += f.messages
		sum.Due += f.dueTokens
		sum.InTime += f.inTime
		sum.StreamTokens = append(sum.StreamTokens, f.tokens)
		late = append(late, f.lateness...)
		if f.firstToken > 0 {
			first = append(first, f.firstToken)
		}
		if f.err != nil {
			sum.fail(f.err)
		} else {
			sum.Answers++
		}
	}
	sum.FirstToken, sum.Jain = spreadOf(first), jain(sum.StreamTokens)
	lateness := spreadOf(late)
	sum.Lateness = &lateness
	return sum
}

// follow reads one answer, whose last token is due at or just after the end of
// the window. A timeout is not a failure: missing tokens count as late.
func (f *follower) follow(ctx context.Context, o options, to target, counted window) error {
	begin := time.Now()
	p := plan{tokens: 1 + int(counted.end.Sub(begin).Seconds()*o.rate), rate: o.rate}
	for i := range p.tokens {
		if at := begin.Add(due(i, o.rate)); counted.holds(at) {
			f.dueTokens++
		}
	}
	answer, err := to.open(ctx, p)
	if err != nil {
		return unlessOver(ctx, err)
	}
	var check checker
	for {
		piece, err := answer.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return unlessOver(ctx, err)
		}
		if piece == "" {
			continue
		}
		now := time.Now()
		if check.tokens == 0 {
			f.firstToken = now.Sub(begin)
		}
		count, err := check.add(piece)
		if err != nil {
			return err
		}
		f.count(counted, begin, now, o.rate, check.tokens-count, count)
	}
	if check.tokens != p.tokens {
		return fmt.Errorf("%d tokens arrived of %d", check.tokens, p.tokens)
	}
	return nil
}

// count records the arrival of tokens, starting with the given one.
func (f *follower) count(counted window, begin, now time.Time, rate float64, first, count int) {
	if counted.holds(now) {
		f.messages++
		f.tokens += count
	}
	for i := first; i < first+count; i++ {
		at := begin.Add(due(i, rate))
		if !counted.holds(at) {
			continue
		}
		late := now.Sub(at)
		f.lateness = append(f.lateness, late)
		if late <= counted.late {
			f.inTime++
		}
	}
}

// windowAfterRamp returns a window that begins when all streams run, if the
// first one begins now.
func windowAfterRamp(o options) window {
	from := time.Now().Add(o.ramp + settle)
	return window{from, from.Add(o.seconds), o.late}
}

// withDeadline returns a context that ends when no token can be in time any more.
func (w window) withDeadline() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), w.end.Add(w.late+100*time.Millisecond))
}

func (w window) holds(at time.Time) bool {
	return !at.Before(w.begin) && at.Before(w.end)
}

// unlessOver returns the error of a call, or nil if the end of the measurement
// interrupted it.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
