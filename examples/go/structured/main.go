// Command structured asks for an answer that fits a JSON Schema, and decodes it
// into a struct.
package main

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/tokenwire/examples/internal/example"
	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

type city struct {
	Name       string `json:"name"`
	Country    string `json:"country"`
	Population int    `json:"population"`
}

// In strict mode, OpenAI requires all properties and no others.
const schema = `{
	"type": "object",
	"properties": {
		"name": {"type": "string"},
		"country": {"type": "string"},
		"population": {"type": "integer"}
	},
	"required": ["name", "country", "population"],
	"additionalProperties": false
}`

func main() {
	example.Run("structured", "HOST:PORT TEXT", ask)
}

// ask prints the city that a text is about.
func ask(ctx context.Context, client tokenwirev1.ChatgptClient, arguments []string) error {
	strict := true
	answer, err := client.Ask(ctx, &tokenwirev1.Message{
		Content: arguments[0],
		Format: &tokenwirev1.Format{Kind: &tokenwirev1.Format_JsonSchema{
			JsonSchema: &tokenwirev1.JsonSchema{Name: "city", Schema: schema, Strict: &strict},
		}},
	})
	if err != nil {
		return err
	}
	// An answer that reaches the token limit ends within its JSON.
	if reason := answer.GetFinishReason(); reason != tokenwirev1.FinishReason_FINISH_REASON_STOP {
		return fmt.Errorf("the answer is not complete: %s", reason)
	}
	var found city
	if err := json.Unmarshal([]byte(answer.GetContent()), &found); err != nil {
		return fmt.Errorf("the answer does not fit the schema: %w", err)
	}
	fmt.Printf("name: %s\ncountry: %s\npopulation: %d\n", found.Name, found.Country, found.Population)
	return nil
}
