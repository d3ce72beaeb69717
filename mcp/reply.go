package mcp

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// replyHead is how every answer of the SDK begins.
var replyHead = []byte(`{"jsonrpc":"2.0","id":`)

// reply returns an answer of the SDK, on a line or in an event, as its client gets it:
// with the id as the client wrote it, because the SDK answers 1.0 with 1 and "\u0061"
// with "a", and with an error in plain words. It returns what is no answer unchanged. A
// nil id keeps the SDK's.
func reply(p []byte, id json.RawMessage) []byte {
	at := bytes.Index(p[:min(len(p), 64)], replyHead)
	if at < 0 {
		return p
	}
	start := at + len(replyHead)
	was, rest, ok := firstValue(p[start:])
	if !ok {
		return p
	}
	if id == nil {
		id = was
	}
	changed := plainError(rest)
	if bytes.Equal(id, was) && len(changed) == len(rest) {
		return p
	}
	return bytes.Join([][]byte{p[:start], id, changed}, nil)
}

// firstValue splits JSON after its first value.
func firstValue(p []byte) (value, rest []byte, ok bool) {
	var raw json.RawMessage
	d := json.NewDecoder(bytes.NewReader(p))
	if err := d.Decode(&raw); err != nil {
		return nil, nil, false
	}
	end := d.InputOffset()
	return p[:end], p[end:], true
}

var errorHead = []byte(`,"error":`)

// plainError returns the part of an answer behind its id, with an error's message in plain
// words. Errors about invalid params have the code for these; the SDK sends some with 0.
func plainError(rest []byte) []byte {
	if !bytes.HasPrefix(rest, errorHead) {
		return rest
	}
	value, end, ok := firstValue(rest[len(errorHead):])
	var e jsonrpc.Error
	if !ok || json.Unmarshal(value, &e) != nil {
		return rest
	}
	message := plainMessage(e.Message)
	if message == e.Message {
		return rest
	}
	e.Message = message
	if e.Code == 0 {
		e.Code = jsonrpc.CodeInvalidParams
	}
	raw, err := encode(&e)
	if err != nil {
		return rest
	}
	return bytes.Join([][]byte{errorHead, raw, end}, nil)
}

// plainMessage cuts what the SDK's decoder says from a message: it names Go's types, and
// repeats what the client sent.
func plainMessage(s string) string {
	for _, mark := range []string{"unmarshaling ", "parse error: ", "json: "} {
		if i := strings.Index(s, mark); i >= 0 {
			s = s[:i]
		}
	}
	if s = strings.TrimRight(s, ": "); s == "" {
		return "invalid request"
	}
	return s
}
