package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// FuzzLineCounter reads whatever comes as the SDK does, and answers each request:
// what is handed on is messages only, what is not is answered with an error, and
// the end comes as soon as everything is answered.
func FuzzLineCounter(f *testing.F) {
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, seed := range []string{
		"", "\n", ping, ping + "\n" + ping, ping + "\r\n\n", "[" + ping + "]\n", ping + ping, `{"jsonrpc":"2.0","id":"a\n\"","method":"tools/list","params":{}}`,
		`{"jsonrpc":"2.0","id":1.5,"method":"ping"}` + "\n" + `{"jsonrpc":"2.0","id":1e300,"method":"ping"}`, `{"jsonrpc":"2.0","id":true,"method":"ping"}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`, `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"ID":1,"METHOD":"x","jsonrpc":"2.0","method":"ping"}`,
		"\xef\xbb\xbf" + ping, "null\n7\n\"x\"\n", `{"jsonrpc":"2.0","id":1,"method":"no/such"}`, "\x00\xff", `{"jsonrpc":"2.0","id":null,"method":"ping"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var refused bytes.Buffer
		c := newLineCounter(bytes.NewReader(input), &refused)
		handed := 0
		for in := json.NewDecoder(c); ; handed++ {
			var raw json.RawMessage
			if err := in.Decode(&raw); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatalf("the SDK would end the session: %v", err)
				}
				break
			}
			msg, err := jsonrpc.DecodeMessage(raw)
			if err != nil {
				t.Fatalf("%s was handed on: %v", raw, err)
			}
			if req, ok := msg.(*jsonrpc.Request); ok && req.IsCall() {
				answerTo(t, c, req.ID)
			}
		}
		if len(c.open) > 0 {
			t.Errorf("%v are open at the end", c.open)
		}
		lines := 0
		for line := range bytes.Lines(input) {
			if len(bytes.TrimSpace(line)) > 0 {
				lines++
			}
		}
		for line := range bytes.Lines(refused.Bytes()) {
			if !bytes.Contains(line, []byte(`"error"`)) && !bytes.Contains(line, []byte(`"result"`)) {
				t.Errorf("wrote %q", line)
			}
		}
		if errorsIn := bytes.Count(refused.Bytes(), []byte(`"error":{`)); handed+errorsIn != lines {
			t.Errorf("%d lines: %d handed on, %d refused", lines, handed, errorsIn)
		}
	})
}

func answerTo(t *testing.T, c *lineCounter, id jsonrpc.ID) {
	t.Helper()
	raw, err := jsonrpc.EncodeMessage(&jsonrpc.Response{ID: id, Result: json.RawMessage("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.writer().Write(append(raw, '\n')); err != nil {
		t.Fatal(err)
	}
}
