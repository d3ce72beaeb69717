package gitea_test

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea"
)

// FuzzDecode: no answer makes the client panic, and what it cannot read is an
// error of its own, never half an answer.
func FuzzDecode(f *testing.F) {
	for _, tc := range calls {
		f.Add([]byte(tc.steps[len(tc.steps)-1].answer))
	}
	for _, s := range []string{`[`, `[null]`, `{"id":1e400}`, `{"id":-1,"login":"bob"}`, `{"owner":null}`, `{"units_map":{"a":null}}`, `{"ok":true,"data":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := connect(t, overWire(func(r *http.Request) (*http.Response, error) {
			if page := r.URL.Query().Get("page"); page != "" && page != "1" {
				return reply(200, `[]`), nil // or a list would have all its 200 pages
			}
			return reply(200, string(body)), nil
		}))
		for _, tc := range calls {
			got, err := tc.run(t.Context(), c)
			if err == nil {
				continue
			}
			if !errors.Is(err, gitea.ErrUnavailable) && !errors.Is(err, gitea.ErrNotFound) {
				t.Errorf("%s: %v, want %v", tc.method, err, gitea.ErrUnavailable)
			}
			if v := reflect.ValueOf(got); v.IsValid() && !v.IsZero() {
				t.Errorf("%s: half an answer %+v with the error %v", tc.method, got, err)
			}
		}
	})
}
