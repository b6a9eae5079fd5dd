package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A reader is a caller that requests answers sequentially.
type reader struct {
	answers, tokens, messages int
	firstToken, perToken      []time.Duration
	err                       error
}

// closed makes each stream request answers sequentially for the given time.
// Every answer that has started is read to its end and counts.
func closed(o options) (result, error) {
	to, err := dial(o)
	if err != nil {
		return result{}, err
	}
	p := plan{tokens: o.tokens, rate: o.rate}
	if r := together(o, to, p, time.Now()); r.Errors > 0 {
		return result{}, fmt.Errorf("while warming up: %s", r.FirstError)
	}
	before, err := readUsage(o)
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	found := together(o, to, p, begin.Add(o.seconds))
	after, err := readUsage(o)
	found.Seconds = time.Since(begin).Seconds()
	found.charge(before, after)
	return found, err
}

// together runs all streams until the given time; each requests at least one answer.
func together(o options, to target, p plan, until time.Time) result {
	readers := make([]reader, o.streams)
	var group sync.WaitGroup
	for i := range readers {
		group.Go(func() {
			for {
				if readers[i].err = readers[i].read(o, to, p); readers[i].err != nil || !time.Now().Before(until) {
					return
				}
			}
		})
	}
	group.Wait()
	var sum result
	var first, per []time.Duration
	for _, r := range readers {
		sum.Answers += r.answers
		sum.Tokens += r.tokens
		sum.Messages += r.messages
		sum.StreamTokens = append(sum.StreamTokens, r.tokens)
		first = append(first, r.firstToken...)
		per = append(per, r.perToken...)
		if r.err != nil {
			sum.fail(r.err)
		}
	}
	sum.FirstToken, sum.PerToken, sum.Jain = spreadOf(first), spreadOf(per), jain(sum.StreamTokens)
	return sum
}

// read requests one answer and reads it to its end.
func (r *reader) read(o options, to target, p plan) error {
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	begin := time.Now()
	answer, err := to.open(ctx, p)
	if err != nil {
		return err
	}
	var check checker
	var first, last time.Time
	for {
		piece, err := answer.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if piece == "" {
			continue
		}
		if last = time.Now(); first.IsZero() {
			first = last
		}
		if _, err := check.add(piece); err != nil {
			return err
		}
		r.messages++
	}
	if check.tokens != p.tokens {
		return fmt.Errorf("%d tokens arrived of %d", check.tokens, p.tokens)
	}
	r.answers++
	r.tokens += check.tokens
	r.firstToken = append(r.firstToken, first.Sub(begin))
	if check.tokens > 1 {
		r.perToken = append(r.perToken, last.Sub(first)/time.Duration(check.tokens-1))
	}
	return nil
}
