package mcp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// TestIdempotencyKey: a key is for one call of one tool of one workspace. The same
// call again goes on as without it.
func TestIdempotencyKey(t *testing.T) {
	h := newHouse(t)
	good := `{"name":"data","engine":"redis","idempotency_key":"mine"}`
	for _, args := range []string{good, good, `{ "idempotency_key" : "mine", "engine":"redis","name":"data","attach_to":null}`} {
		if _, err := h.call(t, "databases.create", args); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
	h.Sim.Reset()
	for _, args := range []string{
		`{"name":"data","engine":"mysql","idempotency_key":"mine"}`, `{"name":"other","engine":"redis","idempotency_key":"mine"}`,
		`{"name":"data","engine":"redis","attach_to":"` + h.A.Web.UUID + `","idempotency_key":"mine"}`,
	} {
		if code, msg := h.refusal(t, "databases.create", args); code != tenancy.Conflict || msg != "this idempotency_key was used with other arguments" {
			t.Errorf("%s: %s %s", args, code, msg)
		}
	}
	if asked := h.Requests(); len(asked) > 0 {
		t.Errorf("Coolify was asked %v", asked)
	}
	if _, err := h.call(t, "databases.create", `{"name":"other","engine":"redis","idempotency_key":"another"}`); err != nil {
		t.Errorf("another key: %v", err)
	}
	if _, err := h.call(t, "projects.create", `{"name":"data","idempotency_key":"mine"}`); err != nil {
		t.Errorf("another tool: %v", err)
	}
	if code, msg := h.refusal(t, "projects.create", `{"name":"other","idempotency_key":"mine"}`); code != tenancy.Conflict {
		t.Errorf("another project: %s %s", code, msg)
	}
	mine := h.A.Key
	h.A.Key = h.B.Key
	if _, err := h.call(t, "databases.create", `{"name":"of-b","engine":"mysql","idempotency_key":"mine"}`); err != nil {
		t.Errorf("another workspace: %v", err)
	}
	h.A.Key = mine
	if code, msg := h.refusal(t, "databases.create", `{"name":"data","engine":"redis","idempotency_key":"`+strings.Repeat("k", 65)+`"}`); code != tenancy.Invalid {
		t.Errorf("too long: %s %s", code, msg)
	}
	if err := h.DB.DropExpired(t.Context(), time.Now().Add(8*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.call(t, "databases.create", `{"name":"third","engine":"redis","idempotency_key":"mine"}`); err != nil {
		t.Errorf("after a week: %v", err)
	}
	entries, err := h.DB.Audit(t.Context(), h.A.ID, tenancy.AuditQuery{Tool: "databases.create", Limit: 20})
	calls := 0
	for _, e := range entries {
		calls += max(e.Refused, 1)
		if strings.Contains(e.Args, "mine") {
			t.Errorf("the trail keeps the key: %s", e.Args)
		}
	}
	if err != nil || calls != 8 {
		t.Errorf("%d calls on record, %v", calls, err)
	}
}
