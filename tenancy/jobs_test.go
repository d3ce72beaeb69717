package tenancy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// An agentJob is what an agent wants done, as the calls that it makes.
type agentJob struct {
	t     *testing.T
	h     *tenancytest.House
	tools *mcp.Registry
}

func newJob(t *testing.T, h *tenancytest.House) agentJob {
	t.Helper()
	return agentJob{t, h, mcp.New(h.Logger)}
}

// call calls a tool as A, and returns the answer.
func (j agentJob) call(tool, args string) string {
	j.t.Helper()
	s, err := j.h.Guard.OpenKey(j.t.Context(), j.h.A.Key)
	if err != nil {
		j.t.Fatal(err)
	}
	out, err := j.tools.Call(j.t.Context(), s, mcp.Request{Tool: tool, Args: json.RawMessage(args)})
	if err != nil {
		j.t.Fatalf("%s: %v", tool, err)
	}
	return string(out)
}

// TestRequestsPerJob holds what each job asks of Coolify. The app is named as an agent
// names it, and its workspace was seen before.
func TestRequestsPerJob(t *testing.T) {
	t.Parallel()
	const deploy = `{"app":"web.alpha.example.com","wait_seconds":45}`
	for name, tc := range map[string]struct {
		most int
		do   func(j agentJob)
	}{
		"deploy until live": {4, func(j agentJob) {
			if out := j.call("apps.deploy", deploy); !strings.Contains(out, `"verdict":"live"`) {
				j.t.Errorf("%s", out)
			}
		}},
		"a failing deploy": {5, func(j agentJob) {
			j.h.Sim.SetApp(j.h.A.Web.UUID, func(a *coolifytest.App) { a.FailNext = true })
			if out := j.call("apps.deploy", deploy); !strings.Contains(out, `"verdict":"stale"`) {
				j.t.Errorf("%s", out)
			}
		}},
		"list": {1, func(j agentJob) { j.call("apps.list", `{}`) }},
		"why is it down": {4, func(j agentJob) {
			j.h.Sim.SetApp(j.h.A.Web.UUID, func(a *coolifytest.App) { a.Status = "running:unhealthy"; a.Logs = "Error: missing env DATABASE_URL\n" })
			if out := j.call("apps.diagnose", `{"app":"web.alpha.example.com"}`); !strings.Contains(out, "DATABASE_URL") {
				j.t.Errorf("%s", out)
			}
		}},
		"three variables and redeploy": {6, func(j agentJob) {
			j.call("envs.upsert", `{"app":"web.alpha.example.com","set":{"ONE":"first value","TWO":"second value","THREE":"third value"}}`)
			j.call("apps.deploy", deploy)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, world{store: newMemory(), sim: coolifytest.Config{BuildTime: time.Second}}, func(t *testing.T, h *tenancytest.House) {
				j := newJob(t, h)
				j.call("envs.upsert", `{"app":"web.alpha.example.com","set":{"ONE":"1st value","TWO":"2nd value","THREE":"3rd value"}}`)
				j.call("apps.deploy", deploy)
				pass(10 * time.Second)
				h.Sim.Reset()
				tc.do(j)
				t.Logf("%s: %d\n%s", name, len(h.Requests()), strings.Join(h.Requests(), "\n"))
				if n := len(h.Requests()); n > tc.most {
					t.Errorf("%d requests, want at most %d:\n%s", n, tc.most, strings.Join(h.Requests(), "\n"))
				}
			})
		})
	}
}

// TestListsShare: ten agents who list a workspace's apps at once cost what one costs. None
// of them gets what was known before somebody of the workspace has acted.
func TestListsShare(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		j := newJob(t, h)
		j.call("apps.list", `{}`)
		pass(10 * time.Second)
		h.Sim.Reset()
		lists := make(chan string, 10)
		for range 10 {
			go func() { lists <- j.call("apps.list", `{}`) }()
		}
		first := <-lists
		for range 9 {
			if list := <-lists; list != first {
				t.Errorf("%s, want as the others: %s", list, first)
			}
		}
		if n := len(h.Requests()); n != 1 {
			t.Errorf("%d requests, want one:\n%s", n, strings.Join(h.Requests(), "\n"))
		}
		at := time.Now().UTC().Format(time.RFC3339)
		pass(4 * time.Second)
		if list := j.call("apps.list", `{}`); list != first || !strings.Contains(list, `"as_of":"`+at+`"`) {
			t.Errorf("four seconds later: %s, want what was read then, and when: %s", list, at)
		}
		j.call("apps.control", `{"app":"`+h.A.Web.UUID+`","action":"stop"}`)
		h.Sim.Reset()
		if list := j.call("apps.list", `{}`); !strings.Contains(list, "exited") || len(h.Requests()) != 1 {
			t.Errorf("after a stop: %s after %q, want what there is now", list, h.Requests())
		}
	})
}

// TestKnownApart: what one workspace knows is nothing to another, and a key that is revoked
// reads no more of it.
func TestKnownApart(t *testing.T) {
	t.Parallel()
	inBubble(t, world{}, func(t *testing.T, h *tenancytest.House) {
		ofA := newJob(t, h).call("apps.list", `{}`)
		theirs := *h
		theirs.A = h.B
		ofB := newJob(t, &theirs).call("apps.list", `{}`)
		if !strings.Contains(ofA, h.A.Web.UUID) || strings.Contains(ofA, h.B.Canary) || strings.Contains(ofB, h.A.Canary) {
			t.Errorf("A lists %s\nB lists %s", ofA, ofB)
		}
		h.Sim.MoveApp(h.A.Web.UUID, h.B.Project.Environments[0].UUID)
		pass(5 * time.Second)
		if list := newJob(t, h).call("apps.list", `{}`); strings.Contains(list, h.A.Web.UUID) {
			t.Errorf("A lists an app that is B's now: %s", list)
		}
		must(t, h.DB.RevokeKey(t.Context(), h.A.ID, h.A.KeyID, time.Now()))
		if _, err := h.Guard.OpenKey(t.Context(), h.A.Key); codeOf(err) != tenancy.Unauthorized {
			t.Errorf("a revoked key: %v", err)
		}
	})
}

// TestVariablesAndRedeployInARow: five times three variables and a deployment until it is
// live stay within the default limits, so none of them has to wait for its share.
func TestVariablesAndRedeployInARow(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory(), sim: coolifytest.Config{BuildTime: time.Second}}, func(t *testing.T, h *tenancytest.House) {
		j := newJob(t, h)
		for i := range 5 {
			began := time.Now()
			j.call("envs.upsert", fmt.Sprintf(`{"app":"web.alpha.example.com","set":{"ONE":"value %d","TWO":"second %d","THREE":"third %d"}}`, i, i, i))
			if out := j.call("apps.deploy", `{"app":"web.alpha.example.com","wait_seconds":45}`); !strings.Contains(out, `"verdict":"live"`) {
				t.Errorf("%s", out)
			}
			if took := since(began); took >= 5*time.Second {
				t.Errorf("round %d took %s", i+1, took)
			}
		}
	})
}

// TestRememberedRows: a deployment right after a write does not read the variables again.
// It does if anybody may have changed them since, and each time judges what they are.
func TestRememberedRows(t *testing.T) {
	t.Parallel()
	const list = "GET /applications/{uuid}/envs"
	set := `{"app":"web.alpha.example.com","set":{"ONE":"first value"},"build_time":true}`
	deploy := `{"app":"web.alpha.example.com"}`
	for name, tc := range map[string]struct {
		between func(j agentJob)
		lists   int // of both
	}{
		"right after":         {func(agentJob) {}, 0},
		"a second deployment": {func(j agentJob) { j.call("apps.deploy", deploy) }, 1},
		"later":               {func(agentJob) { pass(5 * time.Second) }, 1},
		"after another write": {func(j agentJob) {
			j.call("envs.delete", `{"app":"web.alpha.example.com","keys":["ONE"]}`)
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
				j := newJob(t, h)
				j.call("envs.upsert", set)
				h.Sim.Reset()
				tc.between(j)
				j.call("apps.deploy", deploy)
				if n := countOps(h.Requests())[list]; n != tc.lists {
					t.Errorf("%d lists of variables, want %d:\n%s", n, tc.lists, strings.Join(h.Requests(), "\n"))
				}
			})
		})
	}
	t.Run("the placement changes", func(t *testing.T) {
		store := newMemory()
		inBubble(t, world{store: store, trust: tenancy.Trusted}, func(t *testing.T, h *tenancytest.House) {
			j := newJob(t, h)
			j.call("envs.upsert", `{"app":"web.alpha.example.com","set":{"LD_PRELOAD":"/x.so"},"build_time":true}`)
			store.mu.Lock()
			ws := store.workspaces[h.A.ID]
			ws.Placement.Trust = tenancy.Shared
			store.workspaces[h.A.ID] = ws
			store.mu.Unlock()
			s, err := h.Guard.OpenKey(t.Context(), h.A.Key)
			must(t, err)
			_, err = j.tools.Call(t.Context(), s, mcp.Request{Tool: "apps.deploy", Args: json.RawMessage(deploy)})
			if codeOf(err) != tenancy.Forbidden {
				t.Errorf("deploy with LD_PRELOAD on a shared host: %v", err)
			}
		})
	})
}
