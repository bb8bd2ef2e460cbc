// `openai URL QUESTION` prints a piece of the answer a line; `go.mod` is OpenAI's newest SDK, `before.mod` the last
// that takes an empty block of a stream for an event.
package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

type question struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	Tools  bool   `json:"tools"`
}

type piece struct {
	Text string     `json:"text,omitempty"`
	Call *[2]string `json:"call,omitempty"`
}

var weather = openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
	Name:        "get_weather",
	Description: openai.String("The weather in a city"),
	Parameters: openai.FunctionParameters{
		"type":       "object",
		"properties": map[string]any{"city": map[string]string{"type": "string"}},
		"required":   []string{"city"},
	},
})

func main() {
	var asked question
	if err := json.Unmarshal([]byte(os.Args[2]), &asked); err != nil {
		panic(err)
	}
	body := openai.ChatCompletionNewParams{
		Model:    openai.ChatModel(asked.Model),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(asked.Prompt)},
	}
	if asked.Tools {
		body.Tools = []openai.ChatCompletionToolUnionParam{weather}
	}
	client := openai.NewClient(option.WithBaseURL(os.Args[1]+"/v1/"), option.WithAPIKey("none"), option.WithMaxRetries(0))
	stream := client.Chat.Completions.NewStreaming(context.Background(), body)
	say := json.NewEncoder(os.Stdout).Encode
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			if choice.Delta.Content != "" {
				say(piece{Text: choice.Delta.Content})
			}
			for _, call := range choice.Delta.ToolCalls {
				say(piece{Call: &[2]string{call.Function.Name, call.Function.Arguments}})
			}
		}
	}
	if err := stream.Err(); err != nil {
		panic(err)
	}
}
