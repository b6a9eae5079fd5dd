// Command tools answers a question with the help of a tool that the model may
// call.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	_ "time/tzdata" // time zones, on machines without them too

	"example.com/tokenwire/examples/internal/example"
	tokenwirev1 "example.com/tokenwire/gen/go/tokenwire/v1"
)

// maxRounds bounds what a model that only calls tools costs.
const maxRounds = 5

var getTime = &tokenwirev1.Tool{
	Name:        "get_time",
	Description: "Returns the current time in a time zone.",
	Parameters: `{
		"type": "object",
		"properties": {"zone": {"type": "string", "description": "Such as Europe/Oslo."}},
		"required": ["zone"],
		"additionalProperties": false
	}`,
	Strict: true,
}

func main() {
	example.Run("tools", "HOST:PORT TEXT", answer)
}

// answer prints the answer to a text, and the calls that the model makes for it.
func answer(ctx context.Context, client tokenwirev1.ChatgptClient, arguments []string) error {
	request := &tokenwirev1.Message{
		Content: arguments[0],
		Tools:   []*tokenwirev1.Tool{getTime},
	}
	for range maxRounds {
		answer, err := client.Ask(ctx, request)
		if err != nil {
			return err
		}
		if len(answer.GetToolCalls()) == 0 {
			fmt.Println(answer.GetContent())
			return nil
		}
		if request.Content != "" {
			request.History = append(request.History, &tokenwirev1.Turn{
				Role:    tokenwirev1.Role_ROLE_USER,
				Content: request.Content,
			})
		}
		// Some models refuse to continue without their reasoning and state.
		request.History = append(request.History, &tokenwirev1.Turn{
			Role:      tokenwirev1.Role_ROLE_ASSISTANT,
			Content:   answer.GetContent(),
			ToolCalls: answer.GetToolCalls(),
			Reasoning: answer.GetReasoning(),
			State:     answer.GetState(),
		})
		for _, call := range answer.GetToolCalls() {
			result := runTool(call)
			fmt.Printf("[%s(%s) returns %s]\n", call.GetName(), call.GetArguments(), result)
			request.History = append(request.History, &tokenwirev1.Turn{
				Role:       tokenwirev1.Role_ROLE_TOOL,
				ToolCallId: call.GetId(),
				Content:    result,
			})
		}
		// The results are the next message.
		request.Content = ""
	}
	return fmt.Errorf("the model has called tools %d times without an answer", maxRounds)
}

// runTool returns the result of a call. The model reads errors too, and may
// call again.
func runTool(call *tokenwirev1.ToolCall) string {
	if call.GetName() != getTime.GetName() {
		return fmt.Sprintf("there is no tool %q", call.GetName())
	}
	var arguments struct {
		Zone string `json:"zone"`
	}
	if err := json.Unmarshal([]byte(call.GetArguments()), &arguments); err != nil {
		return fmt.Sprintf("the arguments are invalid: %v", err)
	}
	zone, err := time.LoadLocation(arguments.Zone)
	if err != nil || arguments.Zone == "" { // for Go, the empty name is UTC
		return fmt.Sprintf("there is no time zone %q", arguments.Zone)
	}
	return time.Now().In(zone).Format("2006-01-02T15:04Z07:00")
}
