package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// echo answers with its input.
func echo(_ context.Context, _ *tenancy.Scope, in defaultsIn) (defaultsIn, error) { return in, nil }

// TestAuditArgs: the audit trail keeps the arguments that a tool allows, of an
// object its names only, and all of it clean.
func TestAuditArgs(t *testing.T) {
	h := newHouse(t)
	app := h.A.Web.UUID
	for _, tc := range []struct{ tool, args, want string }{
		{"apps.deploy", `{"app":"` + app + `"}`, `{"force":false,"wait_seconds":0}`},
		{"apps.deploy", `{"app":"` + app + `","force":true}`, `{"force":true,"wait_seconds":0}`},
		{"apps.control", `{"app":"` + app + `","action":"stop"}`, `{"action":"stop","wait_seconds":0}`},
		{"envs.upsert", `{"app":"` + app + `","set":{"B":"value-never-kept","A":""},"literal":true}`, `{"literal":true,"scope":"production","set":["A","B"]}`},
		{"envs.delete", `{"app":"` + app + `","keys":["B","A"]}`, `{"keys":["B","A"],"scope":"production"}`},
		{"envs.delete", `{"app":"` + app + `","keys":["a\u202eb\u0007"]}`, `{"keys":["ab"],"scope":"production"}`},
		{"envs.upsert", `{"app":"` + app + `","set":{"\u001b[31ma\u200bb":"value-never-kept"}}`, `{"scope":"production","set":["ab"]}`},
		{"envs.delete", `{"app":"` + app + `","keys":["` + strings.Repeat("x", 30) + ` 987|` + strings.Repeat("aB3dE", 8) + `"]}`, `{"keys":["` + strings.Repeat("x", 30) + ` [redacted]"],"scope":"production"}`},
		{"envs.delete", `{"app":"` + app + `","keys":["` + strings.Repeat("\u00e9", 200) + `"]}`, `{"keys":["` + strings.Repeat("\u00e9", 32) + `"],"scope":"production"}`},
		{"deployments.cancel", `{"deployment":"` + h.A.Done.UUID + `"}`, `{}`},
	} {
		h.A.Key, _ = h.AddKey(t, h.A, "owner", 0) // what another was refused is another entry
		if _, err := h.call(t, tc.tool, tc.args); err != nil {
			t.Logf("%s: %v", tc.tool, err)
		}
		entries, err := h.DB.Audit(t.Context(), h.A.ID, tenancy.AuditQuery{Limit: 1})
		if err != nil || len(entries) != 1 || entries[0].Tool != tc.tool {
			t.Fatalf("%s: Audit = %v, %v", tc.tool, entries, err)
		}
		if diff := cmp.Diff(tc.want, entries[0].Args); diff != "" {
			t.Errorf("%s %s is kept as (-want +got)\n%s", tc.tool, tc.args, diff)
		}
	}
	if out, err := h.call(t, "activity.list", `{"limit":50}`); err != nil || strings.Contains(string(out), "never-kept") {
		t.Errorf("activity.list = %s, %v", out, err)
	}
}

// TestAuditOutcome: an entry says how the call ended and what it cost.
func TestAuditOutcome(t *testing.T) {
	h := newHouse(t)
	for args, want := range map[string]tenancy.AuditEntry{
		`{"app":"` + h.A.API.UUID + `"}`: {Target: h.A.API.UUID, Outcome: "ok"},
		`{"app":"no-such"}`:              {Target: "no-such", Outcome: "not_found"},
	} {
		scope, err := h.Guard.OpenKey(t.Context(), h.A.Key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.registry.Call(t.Context(), scope, mcp.Request{Tool: "apps_deploy", Args: json.RawMessage(args), Client: "a\u202e client \u001b[31m1.0"})
		entries, dbErr := h.DB.Audit(t.Context(), h.A.ID, tenancy.AuditQuery{Limit: 1})
		if dbErr != nil || len(entries) != 1 {
			t.Fatalf("Audit = %v, %v", entries, dbErr)
		}
		got := entries[0]
		if got.Outcome != want.Outcome || got.Target != want.Target || got.Client != "a client 1.0" || got.Tool != "apps.deploy" ||
			got.Principal != "key:"+h.A.KeyID || got.UpstreamCalls == 0 || (err == nil) != (want.Outcome == "ok") {
			t.Errorf("%s: %v, on record: %+v", args, err, got)
		}
	}
}

// TestActivityByTool: the trail is asked by either name of a tool, and by the name
// of what only people do.
func TestActivityByTool(t *testing.T) {
	h := newHouse(t)
	for i, tool := range []string{"apps.deploy", "members.set_role"} {
		e := tenancy.AuditEntry{ID: fmt.Sprintf("00000000-0000-7000-8000-00000000000%d", i), WorkspaceID: h.A.ID, At: time.Now(), Principal: "operator", Tool: tool, Args: "{}"}
		if err := h.DB.StartAudit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for asked, want := range map[string]string{"apps.deploy": "apps.deploy", "apps_deploy": "apps.deploy", "members.set_role": "members.set_role"} {
		out, err := h.call(t, "activity.list", `{"limit":50,"tool":"`+asked+`"}`)
		if err != nil || strings.Count(string(out), `"tool":`) != 1 || !strings.Contains(string(out), `"tool":"`+want+`"`) {
			t.Errorf("activity.list of %s = %s, %v", asked, out, err)
		}
	}
}
