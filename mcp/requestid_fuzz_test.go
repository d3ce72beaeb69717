package mcp

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"testing/iotest"
)

// FuzzRequestID reads whatever comes, and messages with whatever params: the id of a
// request is found, byte for byte, wherever it stands and however the message is cut
// into pieces, and what is no id never is.
func FuzzRequestID(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "[]", `{"id":1,"method":"x"}`, `{"method":"x","id":"a"`, `"}]\"\\"`, `{"a":"\\","id":2}`,
		`[{"id":3},"]"]`, "\xff", `{"id":4}}`, ` { "id" : 5 `,
	} {
		f.Add([]byte(seed), []byte(`"an \"id\""`))
		f.Add([]byte(seed), []byte("-7"))
	}
	f.Fuzz(func(t *testing.T, data, id []byte) {
		if got := scanned(t, data); got != nil && !isID(got) {
			t.Errorf("%q has the id %q", data, got)
		}
		if !json.Valid(data) || !isID(id) || len(bytes.TrimSpace(id)) < len(id) {
			return
		}
		for _, message := range []string{
			`{"jsonrpc":"2.0","id":` + string(id) + `,"method":"x","params":` + string(data) + "}",
			` {"method" : "x", "params" :` + string(data) + `,"jsonrpc":"2.0","id" : ` + string(id) + "\n}",
		} {
			if got := scanned(t, []byte(message)); !bytes.Equal(got, id) {
				t.Errorf("%q has the id %q, want %q", message, got, id)
			}
		}
	})
}

// scanned returns the id in a message, which is the same for every way to read it.
func scanned(t *testing.T, message []byte) json.RawMessage {
	t.Helper()
	var whole idScanner
	_, _ = whole.Write(message)
	read := scanBody(io.NopCloser(iotest.OneByteReader(bytes.NewReader(message)))).id(int64(len(message)))
	if !bytes.Equal(read, whole.found()) {
		t.Errorf("%q has the id %q, read a byte at a time %q", message, whole.found(), read)
	}
	return read
}
