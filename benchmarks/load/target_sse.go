package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

type sseTarget struct {
	client *http.Client
	url    string
	root   string
	chat   bool
}

func newSSE(o options) *sseTarget {
	root, err := url.Parse(o.target)
	if err != nil {
		root = new(url.URL)
	}
	root.Path = "/"
	transport := &http.Transport{MaxIdleConnsPerHost: o.streams + 1, DisableCompression: true}
	return &sseTarget{&http.Client{Transport: transport}, o.target, root.String(), o.protocol == "chat"}
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (t *sseTarget) open(ctx context.Context, p plan) (stream, error) {
	var body any = map[string]any{
		"model":          "gpt-4o-mini",
		"messages":       []message{{"user", p.String()}},
		"stream":         true,
		"stream_options": map[string]bool{"include_usage": true},
	}
	if t.chat {
		body = map[string]string{"content": p.String()}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer sk-benchmark")
	response, err := t.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("status %s", response.Status)
	}
	return newSSEStream(response.Body), nil
}

// probe requests a page; any response counts.
func (t *sseTarget) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.root, nil)
	if err != nil {
		return err
	}
	response, err := t.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

type sseStream struct {
	body  io.ReadCloser
	lines *bufio.Reader
	ended bool
}

func newSSEStream(body io.ReadCloser) *sseStream {
	return &sseStream{body: body, lines: bufio.NewReaderSize(body, 64<<10)}
}

func (s *sseStream) next() (string, error) {
	for {
		line, err := s.lines.ReadSlice('\n')
		if err != nil {
			s.body.Close()
			if err == io.EOF && !s.ended {
				return "", io.ErrUnexpectedEOF
			}
			return "", err
		}
		data, found := bytes.CutPrefix(line, []byte("data:"))
		if !found {
			continue
		}
		if bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]")) {
			s.ended = true
			continue
		}
		if text := content(data); len(text) > 0 {
			return string(text), nil
		}
	}
}

// content returns the text in an event. The upstream's tokens need no escapes
// in JSON, so the text ends at the next quote.
func content(data []byte) []byte {
	_, after, found := bytes.Cut(data, []byte(`"content":`))
	if !found {
		return nil
	}
	text, quoted := bytes.CutPrefix(bytes.TrimLeft(after, " "), []byte(`"`))
	if !quoted {
		return nil
	}
	text, _, _ = bytes.Cut(text, []byte(`"`))
	return text
}
