package sidecar_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestKeyNamesAreClean: a key's name is stored as lists and terminals show it, whoever
// mints it.
func TestKeyNamesAreClean(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	owner, _ := s.AddKey(t, s.A, "owner", 0)
	const dirty, clean = "\x1b[2Jci\u202e \u200b\tbot", "ci bot"
	body := encode(t, map[string]any{"name": dirty})
	r := s.ask(t, question{method: "POST", path: "/api/workspaces/" + s.A.Slug + "/keys", key: owner, body: body})
	var k people.KeyInfo
	if err := json.Unmarshal([]byte(r.body), &k); r.status != http.StatusOK || err != nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if _, _, err := s.Operator.CreateKey(t.Context(), s.A.Workspace, dirty, 1, 0); err != nil {
		t.Fatal(err)
	}
	keys, err := s.DB.Keys(t.Context(), s.A.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 2 || keys[0].Name != clean || keys[1].Name != clean {
		t.Errorf("names of the newest keys: %+v", keys)
	}
	r = s.ask(t, question{method: "POST", path: "/api/workspaces/" + s.A.Slug + "/keys", key: owner, body: encode(t, map[string]any{"name": "\u202e\u200b"})})
	if r.status != http.StatusUnprocessableEntity {
		t.Errorf("a name that shows nothing: %d %s", r.status, r.body)
	}
}
