package main

import (
	"fmt"
	"strings"
)

// A plan describes the upstream's answer. It is part of the prompt, so every
// relay forwards it.
type plan struct {
	// The number of tokens of the answer.
	tokens int
	// Tokens per second; 0 means as fast as possible.
	rate float64
	// Whether the answer stalls after its tokens instead of ending.
	pause bool
}

func (p plan) String() string {
	switch {
	case p.pause:
		return fmt.Sprintf("pause %d", p.tokens)
	case p.rate > 0:
		return fmt.Sprintf("paced %d %g", p.tokens, p.rate)
	}
	return fmt.Sprintf("burst %d", p.tokens)
}

func parsePlan(prompt string) (plan, error) {
	var p plan
	kind, numbers, _ := strings.Cut(strings.TrimSpace(prompt), " ")
	var err error
	switch kind {
	case "burst", "pause":
		_, err = fmt.Sscanf(numbers, "%d", &p.tokens)
		p.pause = kind == "pause"
	case "paced":
		_, err = fmt.Sscanf(numbers, "%d %g", &p.tokens, &p.rate)
	default:
		err = fmt.Errorf("unknown kind")
	}
	if err != nil || p.tokens < 1 || p.rate < 0 {
		return p, fmt.Errorf("prompt %q is no plan", prompt)
	}
	return p, nil
}
