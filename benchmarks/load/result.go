package main

import (
	"slices"
	"time"
)

// result is the outcome of a measurement. Times are in seconds unless the name
// has another unit; CPU times cover only the counted window.
type result struct {
	Seconds      float64 `json:"seconds"`
	Answers      int     `json:"answers"`
	Tokens       int     `json:"tokens"`
	Messages     int     `json:"messages"`
	Errors       int     `json:"errors"`
	FirstError   string  `json:"first_error,omitempty"`
	ServerCPU    float64 `json:"server_cpu"`
	UpstreamCPU  float64 `json:"upstream_cpu"`
	GeneratorCPU float64 `json:"generator_cpu"`
	FirstToken   spread  `json:"first_token_ms"`
	PerToken     spread  `json:"per_token_ms"`
	StreamTokens []int   `json:"stream_tokens"`
	Jain         float64 `json:"jain"`
	Due          int     `json:"due"`
	InTime       int     `json:"in_time"`
	Lateness     *spread `json:"lateness_ms,omitempty"`
	// Of the streams that ran when a crowd came.
	RunningLateness *spread `json:"running_lateness_ms,omitempty"`
	IdleBytes       int64   `json:"idle_bytes"`
	ParkedBytes     int64   `json:"parked_bytes"`
	ProbeIdle       *spread `json:"probe_idle_ms,omitempty"`
	ProbeMeantime   *spread `json:"probe_meantime_ms,omitempty"`
}

// charge records the CPU time between two readings.
func (r *result) charge(before, after usage) {
	r.ServerCPU = (after.server - before.server).Seconds()
	r.UpstreamCPU = (after.upstream - before.upstream).Seconds()
	r.GeneratorCPU = (after.generator - before.generator).Seconds()
}

func (r *result) fail(err error) {
	r.Errors++
	if r.FirstError == "" {
		r.FirstError = err.Error()
	}
}

// spread summarizes measured times, in milliseconds.
type spread struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

func spreadOf(times []time.Duration) spread {
	if len(times) == 0 {
		return spread{}
	}
	slices.Sort(times)
	at := func(share float64) float64 {
		return times[int(share*float64(len(times)-1)+0.5)].Seconds() * 1e3
	}
	return spread{len(times), at(0.5), at(0.9), at(0.99), at(1)}
}

// jain returns Jain's fairness index: 1 if all shares are equal, 1/n if one
// has everything.
func jain(counts []int) float64 {
	var sum, squares float64
	for _, count := range counts {
		sum += float64(count)
		squares += float64(count) * float64(count)
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(counts)) * squares)
}
