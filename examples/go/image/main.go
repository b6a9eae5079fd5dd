// Command image asks a question about an image in a file.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"example.com/tokenwire/examples/internal/example"
	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

func main() {
	example.Run("image", "HOST:PORT FILE TEXT", describe)
}

// describe sends an image with a text and prints the answer.
func describe(ctx context.Context, client tokenwirev1.ChatgptClient, arguments []string) error {
	data, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	image := &tokenwirev1.Part{
		// An image on the web needs no download here:
		// &tokenwirev1.Part_Url{Url: "https://..."}.
		Data: &tokenwirev1.Part_Inline{Inline: data},
		// The first bytes tell PNG, JPEG, GIF and WebP apart.
		MediaType: http.DetectContentType(data),
	}
	answer, err := client.Ask(ctx, &tokenwirev1.Message{
		Content: arguments[1],
		Parts:   []*tokenwirev1.Part{image},
	})
	if err != nil {
		return err
	}
	fmt.Println(answer.GetContent())
	return nil
}
