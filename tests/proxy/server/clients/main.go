// Go's own client, keep-alive: several requests on one connection; prints what it saw as JSON.
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

type seen struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Reused bool   `json:"reused"`
}

func ask(client *http.Client, method, url string, body io.Reader, header http.Header) seen {
	var result seen
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		panic(err)
	}
	request.Header = header
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { result.Reused = got.Reused }}
	answer, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	result.Status, result.Body = answer.StatusCode, string(read)
	return result
}

func main() {
	url := "http://127.0.0.1:" + os.Args[1]
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second}}
	hidden := func() io.Reader { return io.MultiReader(strings.NewReader("he"), strings.NewReader("llo")) }
	json.NewEncoder(os.Stdout).Encode([]seen{
		ask(client, "GET", url+"/get", nil, http.Header{}),
		ask(client, "POST", url+"/length", strings.NewReader("hello"), http.Header{}),
		ask(client, "POST", url+"/chunked", hidden(), http.Header{}),
		ask(client, "POST", url+"/expect", strings.NewReader("hello"), http.Header{"Expect": {"100-continue"}}),
		ask(client, "HEAD", url+"/head", nil, http.Header{}),
	})
}
