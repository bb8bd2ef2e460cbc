// The peers' server on Go's net/http. See test_peers.py for what all of them answer.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
)

func say(w http.ResponseWriter, status int, body string) {
	if status != 204 && status != 304 {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func chunks(w http.ResponseWriter) {
	for number := 0; number < 20; number++ {
		fmt.Fprintf(w, "piece %02d\n", number)
		w.(http.Flusher).Flush()
	}
}

func answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/refuse" {
		w.Header().Set("Connection", "close")
		say(w, 413, "too large")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch r.URL.Path {
	case "/length":
		w.Header()["X-Multi"] = []string{"a", "b"}
		say(w, 200, "hello")
	case "/chunks":
		chunks(w)
	case "/trailers":
		w.Header().Set("Trailer", "X-Sum")
		chunks(w)
		w.Header().Set("X-Sum", "1")
	case "/nothing":
		say(w, 204, "")
	case "/same":
		w.Header().Set("ETag", `"1"`)
		say(w, 304, "")
	case "/close":
		connection, buffer, _ := w.(http.Hijacker).Hijack()
		buffer.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the close")
		buffer.Flush()
		connection.Close()
	case "/hints":
		w.WriteHeader(103)
		say(w, 200, "hinted")
	case "/echo":
		say(w, 200, fmt.Sprintf("%d %x", len(body), sha256.Sum256(body)))
	case "/method":
		say(w, 200, r.Method)
	default:
		say(w, 404, "no")
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, http.HandlerFunc(answer)))
}
