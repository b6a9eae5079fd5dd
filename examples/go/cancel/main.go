// Command cancel reads the beginning of an answer and cancels the call, as a
// program does whose user has left.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/tokenwire/examples/internal/example"
	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

// enough is the number of characters after which the call is cancelled.
const enough = 10

func main() {
	example.Run("cancel", "HOST:PORT TEXT", readBeginning)
}

// readBeginning prints the beginning of an answer and the status of its call.
func readBeginning(ctx context.Context, client tokenwirev1.ChatgptClient, arguments []string) error {
	// Without cancel a stream that nobody reads stays open until its deadline,
	// and the model goes on writing.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Send(ctx, &tokenwirev1.Message{Content: arguments[0]})
	if err != nil {
		return err
	}
	characters := 0
	for {
		answer, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Println("\nthe answer was complete before the call was cancelled")
			return nil
		case status.Code(err) == codes.Canceled && characters >= enough:
			fmt.Printf("\ncancelled: %s\n", example.Explain(err))
			return nil
		case err != nil:
			return err
		}
		fmt.Print(answer.GetContent())
		characters += utf8.RuneCountInString(answer.GetContent())
		if characters >= enough {
			cancel()
		}
	}
}
