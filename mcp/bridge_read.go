package mcp

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxRelayed limits a message that a bridge accepts from a server, in bytes.
const maxRelayed = 8 << 20

// messagesOf yields the messages in an answer: one in JSON, any number in an event
// stream. For any other media type it yields none.
func messagesOf(resp *http.Response) iter.Seq[[]byte] {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		return func(yield func([]byte) bool) {
			raw, err := io.ReadAll(io.LimitReader(resp.Body, maxRelayed))
			if raw = bytes.TrimSpace(raw); err == nil && len(raw) > 0 {
				yield(raw)
			}
		}
	case err == nil && kind == "text/event-stream":
		return eventsOf(resp.Body)
	}
	return func(func([]byte) bool) {}
}

// eventsOf yields the data of each server-sent event. It skips comments, other fields,
// and events without data.
func eventsOf(body io.Reader) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		scanner := bufio.NewScanner(body)
		scanner.Buffer(nil, maxRelayed)
		var data []byte
		for scanner.Scan() {
			line := scanner.Bytes()
			if field, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				data = append(append(data, bytes.TrimPrefix(field, []byte(" "))...), '\n')
				continue
			}
			if len(line) > 0 || len(data) == 0 {
				continue
			}
			if !yield(bytes.TrimSpace(data)) {
				return
			}
			data = nil
		}
		if len(data) > 0 {
			yield(bytes.TrimSpace(data))
		}
	}
}

// headerValue encodes a name as MCP requires it in a header: unchanged if it is visible
// ASCII, else in base64.
func headerValue(s string) string {
	if strings.Trim(s, " ") == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

// withoutURL returns the cause inside a *url.Error, which repeats the address.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
