package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Between the last stream's begin and the counted time, for all to be flowing.
const settle = time.Second

// follower is one of the callers, whose answer comes at a pace.
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

// window is the time that counts.
type window struct {
	begin, end time.Time
	late       time.Duration
}

// paced lets all streams run at once, each at its pace, and counts the tokens
// of a window in which all are flowing. Token i of a stream is due i/rate
// seconds after its call began, and in time if it arrives by then plus what
// may be late; what never arrives is not in time.
func paced(o options) (result, error) {
	if o.rate <= 0 {
		return result{}, fmt.Errorf("want -rate")
	}
	to, err := dial(o)
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	from := begin.Add(o.ramp + settle)
	counted := window{from, from.Add(o.seconds), o.late}
	ctx, cancel := context.WithDeadline(context.Background(), counted.end.Add(o.late+100*time.Millisecond))
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

// follow reads one answer, whose last token is due at the window's end or just
// after it. Running out of time is no failure: what is missing was not in time.
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

// count notes that tokens have arrived, beginning with the given one.
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

func (w window) holds(at time.Time) bool {
	return !at.Before(w.begin) && at.Before(w.end)
}

// unlessOver returns the failure of a call, or nil if it was only cut off at
// the measurement's end.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
