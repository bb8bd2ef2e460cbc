package main

import (
	"context"
	"errors"
	"io"

	"github.com/sashabaranov/go-openai"
)

func goOpenAI(asked question, say func(string)) error {
	config := openai.DefaultConfig("none")
	config.BaseURL = asked.URL + "/v1"
	body := openai.ChatCompletionRequest{
		Model:    asked.Model,
		Messages: []openai.ChatCompletionMessage{{Role: "user", Content: asked.Prompt}},
	}
	if asked.Tools {
		function := openai.FunctionDefinition{Name: "get_weather", Description: "The weather in a city", Parameters: city}
		body.Tools = []openai.Tool{{Type: "function", Function: &function}}
	}
	for {
		call, err := turn(openai.NewClientWithConfig(config), body, say)
		if err != nil || call.Function.Name == "" {
			return err
		}
		body.Messages = append(body.Messages,
			openai.ChatCompletionMessage{Role: "assistant", ToolCalls: []openai.ToolCall{call}},
			openai.ChatCompletionMessage{Role: "tool", ToolCallID: call.ID, Content: weather(call.Function.Arguments)})
	}
}

func turn(client *openai.Client, body openai.ChatCompletionRequest, say func(string)) (openai.ToolCall, error) {
	call := openai.ToolCall{Type: "function"}
	stream, err := client.CreateChatCompletionStream(context.Background(), body)
	if err != nil {
		return call, err
	}
	defer stream.Close()
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return call, nil
		}
		if err != nil {
			return call, err
		}
		for _, choice := range chunk.Choices {
			say(choice.Delta.Content)
			for _, part := range choice.Delta.ToolCalls {
				call.ID += part.ID
				call.Function.Name += part.Function.Name
				call.Function.Arguments += part.Function.Arguments
			}
		}
	}
}
