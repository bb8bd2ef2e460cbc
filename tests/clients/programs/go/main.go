// `programs CLIENT QUESTION...` prints `{"text": what came, "error": how it failed}` for each, a line.
package main

import (
	"encoding/json"
	"os"
)

type question struct {
	URL    string `json:"url"`
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	Tools  bool   `json:"tools"`
}

type told struct {
	Text  string `json:"text"`
	Error string `json:"error"`
}

// A client says each piece of the answer as it comes.
type client func(asked question, say func(string)) error

var clients = map[string]client{
	"go-openai":             goOpenAI,
	"langchaingo-openai":    langchaingo(openaiOf),
	"langchaingo-anthropic": langchaingo(anthropicOf),
	"langchaingo-ollama":    langchaingo(ollamaOf),
	"ollama-go":             ollamaGo,
}

var city = map[string]any{
	"type":       "object",
	"properties": map[string]any{"city": map[string]string{"type": "string"}},
	"required":   []string{"city"},
}

func weather(arguments string) string {
	var asked struct {
		City string `json:"city"`
	}
	if err := json.Unmarshal([]byte(arguments), &asked); err != nil {
		return err.Error()
	}
	return "fog at 7 degrees in " + asked.City
}

func main() {
	for _, argument := range os.Args[2:] {
		var asked question
		if err := json.Unmarshal([]byte(argument), &asked); err != nil {
			panic(err)
		}
		var answer told
		if err := clients[os.Args[1]](asked, func(text string) { answer.Text += text }); err != nil {
			answer.Error = err.Error()
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}
