package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The index is 1 for equal shares and 1/n if one stream has everything.
func TestJain(t *testing.T) {
	for _, c := range []struct {
		counts []int
		want   float64
	}{{[]int{3, 3, 3}, 1}, {[]int{6, 0, 0}, 1.0 / 3}, {[]int{0, 0}, 0}} {
		if got := jain(c.counts); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("jain(%v) = %v, want %v", c.counts, got, c.want)
		}
	}
}

// Percentiles are those of the sorted times.
func TestSpread(t *testing.T) {
	var times []time.Duration
	for i := 100; i >= 0; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	if got, want := spreadOf(times), (spread{101, 50, 90, 99, 100}); got != want {
		t.Errorf("spreadOf = %v, want %v", got, want)
	}
}

// A plan can be written into a prompt and parsed from it; other prompts are rejected.
func TestPlan(t *testing.T) {
	for _, p := range []plan{{tokens: 5}, {tokens: 5, rate: 2.5}, {tokens: 5, pause: true}} {
		if got, err := parsePlan(p.String()); err != nil || got != p {
			t.Errorf("parsePlan(%q) = %v, %v", p, got, err)
		}
	}
	for _, prompt := range []string{"", "burst", "burst 0", "burst x", "paced 3", "hello 3"} {
		if _, err := parsePlan(prompt); err == nil {
			t.Errorf("parsePlan(%q) succeeded", prompt)
		}
	}
}

// Tokens are counted regardless of how the text is split, and a wrong text is detected.
func TestChecker(t *testing.T) {
	text := ""
	for i := range 100 {
		text += token(i)
	}
	for _, size := range []int{1, 3, 7, len(text)} {
		var check checker
		for rest := text; rest != ""; {
			cut := min(size, len(rest))
			if _, err := check.add(rest[:cut]); err != nil {
				t.Fatal(err)
			}
			rest = rest[cut:]
		}
		if check.tokens != 100 {
			t.Errorf("cut into %d bytes: %d tokens", size, check.tokens)
		}
	}
	var check checker
	if _, err := check.add(" teh"); err == nil {
		t.Error("a wrong text passed")
	}
}

// The SSE reader counts all tokens that the upstream writes, for all plans.
func TestUpstreamToReader(t *testing.T) {
	for _, p := range []plan{{tokens: 1}, {tokens: 1000}, {tokens: 20, rate: 1000}} {
		body := `{"stream":true,"messages":[{"content":"` + p.String() + `"}]}`
		recorder := httptest.NewRecorder()
		answer(recorder, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(body)))
		stream := newSSEStream(io.NopCloser(recorder.Body))
		var check checker
		for {
			piece, err := stream.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := check.add(piece); err != nil {
				t.Fatal(err)
			}
		}
		if check.tokens != p.tokens {
			t.Errorf("%v: %d tokens", p, check.tokens)
		}
	}
}

// A stream that ends before [DONE] is an incomplete answer.
func TestBrokenStream(t *testing.T) {
	stream := newSSEStream(io.NopCloser(strings.NewReader("data: {\"content\": \" the\"}\n\n")))
	if piece, err := stream.next(); piece != " the" || err != nil {
		t.Errorf("next = %q, %v", piece, err)
	}
	if _, err := stream.next(); err != io.ErrUnexpectedEOF {
		t.Errorf("next = %v", err)
	}
}
