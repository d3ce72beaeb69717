package mcp_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
)

// TestVerdictAnswers: what ends a deployment says so in a few words: an agent reads
// each of them.
func TestVerdictAnswers(t *testing.T) {
	h := newHouse(t)
	app := `{"app":"` + h.A.Web.UUID + `"`
	for _, tc := range []struct {
		name, tool, args string
		want             []string
		most             int // bytes
	}{
		{"a deploy that nobody waits for", "apps.deploy", app + `}`, []string{`"confirmed":false`, `deployments_wait tells how it ends`}, 150},
		{"one that goes on", "apps.deploy", app + `,"wait_seconds":1}`, []string{`"verdict":"still_running"`, `"already_queued":true`, `"state":{`, `"done":false`}, 400},
		{"one that ended", "deployments.wait", `{"deployment":"` + h.A.Done.UUID + `"}`, []string{`"verdict":"live"`, `"http_status":200`, `"done":true`, `"url":"https://web.alpha.example.com/"`, `"next":[]`}, 400},
		{"a commit that nobody pushed", "deployments.wait", `{"deployment":"` + strings.Repeat("a", 40) + `","wait_seconds":1}`, []string{`"verdict":"still_running"`, `"done":false`, `no push of this commit`}, 500},
		{"a diagnosis of what is well", "apps.diagnose", app + `}`, []string{`"causes":[`, `"site":{`}, 1_500},
	} {
		out, err := h.call(t, tc.tool, tc.args)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		for _, want := range tc.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %s, want it to hold %s", tc.name, out, want)
			}
		}
		if len(out) > tc.most {
			t.Errorf("%s: %d bytes, want at most %d: %s", tc.name, len(out), tc.most, out)
		}
		t.Logf("%-32s %4d bytes: %s", tc.name, len(out), out)
	}
}

// TestDeployPhantom: Coolify's queue is full, and it names a deployment that does not
// exist. What runs goes on, and the answer says that nothing was deployed.
func TestDeployPhantom(t *testing.T) {
	h := newHouse(t)
	h.Sim.QueueLimit(0)
	for _, tc := range []struct{ status, verdict, reason string }{
		{"running:healthy", "stale", "nothing was deployed; the version before it answers 200"},
		{"exited:unhealthy", "failed", "nothing was deployed, and no container of it runs; the domain answers 503"},
	} {
		h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) { a.Status = tc.status })
		out, err := h.call(t, "apps.deploy", `{"app":"`+h.A.Web.UUID+`","wait_seconds":5}`)
		var got struct {
			Deployment, Verdict, Reason string
			Confirmed                   bool
			Next                        []string
		}
		if err != nil || json.Unmarshal(out, &got) != nil {
			t.Fatalf("%s (%v)", out, err)
		}
		if got.Deployment != "" || got.Confirmed || got.Verdict != tc.verdict || !strings.Contains(got.Reason, tc.reason) || len(got.Next) != 1 {
			t.Errorf("%s, want %s: %s", out, tc.verdict, tc.reason)
		}
	}
}
