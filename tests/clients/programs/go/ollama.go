package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/ollama/ollama/api"
)

func ollamaGo(asked question, say func(string)) error {
	base, err := url.Parse(asked.URL)
	if err != nil {
		return err
	}
	body := api.ChatRequest{Model: asked.Model, Messages: []api.Message{{Role: "user", Content: asked.Prompt}}}
	if asked.Tools {
		tool := `[{"type": "function", "function": {"name": "get_weather", "description": "The weather in a city",
			"parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]`
		if err := json.Unmarshal([]byte(tool), &body.Tools); err != nil {
			return err
		}
	}
	for {
		var calls []api.ToolCall
		read := func(answer api.ChatResponse) error {
			say(answer.Message.Content)
			calls = append(calls, answer.Message.ToolCalls...)
			return nil
		}
		if err := api.NewClient(base, http.DefaultClient).Chat(context.Background(), &body, read); err != nil || len(calls) == 0 {
			return err
		}
		result := api.Message{Role: "tool", ToolName: "get_weather", Content: weather(calls[0].Function.Arguments.String())}
		body.Messages = append(body.Messages, api.Message{Role: "assistant", ToolCalls: calls}, result)
	}
}
