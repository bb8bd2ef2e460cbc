package main

import (
	"context"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/anthropic"
	"github.com/tmc/langchaingo/llms/ollama"
	"github.com/tmc/langchaingo/llms/openai"
)

func openaiOf(asked question) (llms.Model, error) {
	return openai.New(openai.WithBaseURL(asked.URL+"/v1"), openai.WithToken("none"), openai.WithModel(asked.Model))
}

func anthropicOf(asked question) (llms.Model, error) {
	return anthropic.New(anthropic.WithBaseURL(asked.URL+"/v1"), anthropic.WithToken("none"), anthropic.WithModel(asked.Model))
}

func ollamaOf(asked question) (llms.Model, error) {
	return ollama.New(ollama.WithServerURL(asked.URL), ollama.WithModel(asked.Model))
}

func langchaingo(of func(question) (llms.Model, error)) client {
	return func(asked question, say func(string)) error {
		model, err := of(asked)
		if err != nil {
			return err
		}
		said := func(_ context.Context, piece []byte) error {
			say(string(piece))
			return nil
		}
		options := []llms.CallOption{llms.WithStreamingFunc(said)}
		if asked.Tools {
			function := llms.FunctionDefinition{Name: "get_weather", Description: "The weather in a city", Parameters: city}
			options = append(options, llms.WithTools([]llms.Tool{{Type: "function", Function: &function}}))
		}
		messages := []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, asked.Prompt)}
		for {
			answer, err := model.GenerateContent(context.Background(), messages, options...)
			if err != nil || len(answer.Choices[0].ToolCalls) == 0 {
				return err
			}
			call := answer.Choices[0].ToolCalls[0]
			result := llms.ToolCallResponse{
				ToolCallID: call.ID,
				Name:       call.FunctionCall.Name,
				Content:    weather(call.FunctionCall.Arguments),
			}
			messages = append(messages,
				llms.MessageContent{Role: llms.ChatMessageTypeAI, Parts: []llms.ContentPart{call}},
				llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{result}})
		}
	}
}
