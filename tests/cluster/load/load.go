// Command cluster-load keeps answers running and checks each one, as load.py
// describes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

const tokensPerSecond = 20

type configuration struct {
	Target        string          `json:"target"`
	Streams       int             `json:"streams"`
	Tokens        [2]int          `json:"tokens"`
	ServiceConfig json.RawMessage `json:"service_config"`
}

type load struct {
	configuration
	client tokenwirev1.ChatgptClient

	lock     sync.Mutex
	Complete int      `json:"complete"`
	Running  int      `json:"running"`
	Failures []string `json:"failures"`
	ending   bool
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(argument string) error {
	l := &load{Failures: []string{}}
	if err := json.Unmarshal([]byte(argument), &l.configuration); err != nil {
		return err
	}
	connection, err := grpc.NewClient(l.Target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(l.ServiceConfig)),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	l.client = tokenwirev1.NewChatgptClient(connection)
	var slots sync.WaitGroup
	for number := range l.Streams {
		slots.Go(func() { l.slot(number) })
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "end" {
		l.report()
	}
	l.lock.Lock()
	l.ending = true
	l.lock.Unlock()
	slots.Wait()
	l.report()
	return nil
}

func (l *load) report() {
	l.lock.Lock()
	defer l.lock.Unlock()
	line, _ := json.Marshal(map[string]any{
		"complete": l.Complete, "running": l.Running, "failures": l.Failures,
	})
	fmt.Println(string(line))
}

func (l *load) ended() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.ending
}

func (l *load) slot(number int) {
	for !l.ended() {
		count := l.Tokens[0] + rand.IntN(l.Tokens[1]-l.Tokens[0]+1)
		err := l.answer(number, count)
		l.lock.Lock()
		if err == nil {
			l.Complete++
		} else {
			now := time.Now().UTC().Format(time.TimeOnly)
			l.Failures = append(l.Failures, fmt.Sprintf("%s %s", now, err))
		}
		l.lock.Unlock()
		number += l.Streams
	}
}

// answer reads one answer of count words, and returns what is wrong with it.
func (l *load) answer(number, count int) error {
	word := fmt.Sprintf("w%dx", number)
	prompt := fmt.Sprintf("[[demo: pace tokens-per-second=%d; filler %d word=%s; finish; usage; done]]",
		tokensPerSecond, count, word)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stream, err := l.client.Send(ctx, &tokenwirev1.Message{Content: prompt})
	if err != nil {
		return err
	}
	var text strings.Builder
	finished := false
	begun := sync.OnceFunc(func() { l.count(1) })
	defer func() {
		if text.Len() > 0 {
			l.count(-1)
		}
	}()
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s after %d bytes: %s", status.Code(err), text.Len(), err)
		}
		if answer.GetContent() != "" {
			begun()
			text.WriteString(answer.GetContent())
		}
		finished = finished || answer.GetFinishReason() != 0
	}
	found := strings.Fields(text.String())
	if !finished || strings.Join(found, " ") != strings.TrimSpace(strings.Repeat(word+" ", count)) {
		return fmt.Errorf("%d of %d words, finished: %t", len(found), count, finished)
	}
	return nil
}

func (l *load) count(running int) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.Running += running
}
