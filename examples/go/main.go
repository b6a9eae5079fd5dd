// Command chat streams one answer from tokenwire to the terminal.
//
// The answer goes to stdout as its tokens arrive; how it ended goes to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"example.com/tokenwire/examples/internal/example"
	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

func main() {
	example.Run("chat", "HOST:PORT TEXT", chat)
}

// chat sends a text and prints the answer while it is written.
func chat(ctx context.Context, client tokenwirev1.ChatgptClient, arguments []string) error {
	stream, err := client.Send(ctx, &tokenwirev1.Message{Content: arguments[0]})
	if err != nil {
		return err
	}
	var last *tokenwirev1.Answer
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if last != nil {
				fmt.Println() // what arrived stays readable above the error
			}
			return err
		}
		last = answer
		fmt.Print(answer.GetContent())
	}
	fmt.Println()
	report(last)
	return nil
}

// report says how the answer ended; the last Answer of a call knows.
func report(last *tokenwirev1.Answer) {
	fmt.Fprintln(os.Stderr, "model:", last.GetModel())
	fmt.Fprintln(os.Stderr, "finish reason:", last.GetFinishReason())
	if usage := last.GetUsage(); usage != nil {
		fmt.Fprintf(os.Stderr, "usage: %d input tokens, %d output tokens\n",
			usage.GetInputTokens(), usage.GetOutputTokens())
	} else {
		fmt.Fprintln(os.Stderr, "usage: not reported by the upstream")
	}
}
