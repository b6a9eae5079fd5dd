package main

import (
	"encoding/json"
	"net/http"
	"time"
)

// The approximate size of the writes of a burst, each of which has many events.
const pieceBytes = 16 << 10

type chatRequest struct {
	Messages []struct {
		Content string `json:"content"`
	} `json:"messages"`
	Stream bool `json:"stream"`
}

// serveUpstream is an OpenAI-compatible server whose answers follow the plan
// in the last message.
func serveUpstream(arguments []string) error {
	listener, err := listen(arguments)
	if err != nil {
		return err
	}
	server := http.Server{Handler: http.HandlerFunc(answer)}
	return untilStdinCloses(func() error {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			return err
		}
		return nil
	}, func() { server.Close() })
}

func answer(w http.ResponseWriter, r *http.Request) {
	var request chatRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || len(request.Messages) == 0 || !request.Stream {
		http.Error(w, `{"error":{"message":"want a streamed chat completion"}}`, http.StatusBadRequest)
		return
	}
	p, err := parsePlan(request.Messages[len(request.Messages)-1].Content)
	if err != nil {
		http.Error(w, `{"error":{"message":"want a plan in the last message"}}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	out := events{writer: w, flusher: w.(http.Flusher), chunks: newChunks(p.tokens)}
	out.buffer = append(out.buffer, out.chunks.first...)
	if p.rate > 0 {
		err = out.paced(r, p)
	} else {
		err = out.burst(p)
	}
	if err != nil {
		return
	}
	if p.pause {
		_ = out.flush()
		<-r.Context().Done()
		return
	}
	out.buffer = append(out.buffer, out.chunks.finish...)
	out.buffer = append(out.buffer, out.chunks.usage...)
	out.buffer = append(out.buffer, done...)
	_ = out.flush()
}

// events buffers events and writes them together.
type events struct {
	writer  http.ResponseWriter
	flusher http.Flusher
	chunks  chunks
	buffer  []byte
}

func (e *events) flush() error {
	_, err := e.writer.Write(e.buffer)
	e.flusher.Flush()
	e.buffer = e.buffer[:0]
	return err
}

func (e *events) burst(p plan) error {
	for i := range p.tokens {
		e.buffer = append(e.buffer, e.chunks.token(i)...)
		if len(e.buffer) >= pieceBytes {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// paced writes token i at i/rate seconds after the request; if a slow reader
// has delayed it, it writes the next tokens without a pause.
func (e *events) paced(r *http.Request, p plan) error {
	begin := time.Now()
	timer := time.NewTimer(0)
	<-timer.C
	for i := range p.tokens {
		if wait := time.Until(begin.Add(due(i, p.rate))); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}
		e.buffer = append(e.buffer, e.chunks.token(i)...)
		if err := e.flush(); err != nil {
			return err
		}
	}
	return nil
}

// due returns the time between the start of the call and the due time of token i.
func due(i int, rate float64) time.Duration {
	return time.Duration(float64(i) / rate * float64(time.Second))
}
