// The peers' client on Go's net/http. Prints what it was answered.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

var big = []byte(strings.Repeat("0123456789abcdef", 64<<10))

// Stream hides the length of what it reads.
type Stream struct{ io.Reader }

func ask(method, path string, body io.Reader) {
	request, err := http.NewRequest(method, "http://"+os.Args[1]+path, body)
	if err != nil {
		panic(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		panic(err)
	}
	length := ""
	if method == "HEAD" {
		length = response.Header.Get("Content-Length")
	}
	line, _ := json.Marshal([]any{method, path, response.StatusCode, string(text), response.Header["X-Multi"], length})
	fmt.Println(string(line))
}

func main() {
	ask("GET", "/length", nil)
	ask("GET", "/chunks", nil)
	ask("HEAD", "/length", nil)
	ask("GET", "/trailers", nil)
	ask("GET", "/nothing", nil)
	ask("GET", "/same", nil)
	ask("GET", "/hints", nil)
	ask("POST", "/echo", strings.NewReader("{}"))
	ask("POST", "/echo", bytes.NewReader(big))
	ask("POST", "/echo", Stream{bytes.NewReader(big)})
	ask("PUT", "/method", strings.NewReader("x"))
	ask("DELETE", "/method", nil)
	ask("GET", "/missing", nil)
	ask("GET", "/close", nil)
	ask("POST", "/refuse", strings.NewReader("{}"))
	ask("GET", "/length", nil)
}
