package tenancy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// commitOf is a whole commit: the first digits and as many again as it takes.
func commitOf(short string) string { return short + strings.Repeat("0", 40-len(short)) }

// history adds an app to a tenant, whose deployments come oldest first: a commit, then how it
// ended if not well, and what kind it was.
func history(h *tenancytest.House, x *tenancytest.Tenant, deployments ...string) string {
	uuid := h.Sim.AddApp(x.Project.Environments[0].UUID, coolifytest.App{Status: "running:healthy", Name: x.Canary}).UUID
	for _, line := range deployments {
		d := coolifytest.Deployment{Status: coolifytest.Finished}
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0 && word != "HEAD":
				d.Commit = commitOf(word)
			case i == 0:
				d.Commit = word
			case word == "rollback":
				d.Rollback = true
			case word == "restart":
				d.RestartOnly = true
			case word == "preview":
				d.PullRequest = 7
			default:
				d.Status = word
			}
		}
		h.Sim.AddDeployment(uuid, d)
	}
	return uuid
}

func rollBack(t testing.TB, h *tenancytest.House, uuid, commit string) (target string, started hosting.Started, err error) {
	t.Helper()
	err = onApp(t, h, uuid, tenancy.Deploy, func(a *hosting.App) (err error) {
		target, started, err = a.Rollback(t.Context(), commit)
		return err
	})
	return target, started, err
}

func TestRollback(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	for name, tc := range map[string]struct {
		past   []string
		commit string
		want   string // commit, or the code of a refusal
	}{
		"the one before":            {[]string{"c1", "c2"}, "", "c1"},
		"not a failed one":          {[]string{"c1", "c2 failed", "c3 cancelled-by-user", "c4"}, "", "c1"},
		"a failed one does not run": {[]string{"c1", "c2", "c3 failed"}, "", "c1"},
		"the same again":            {[]string{"c1", "c2", "c2", "c2 restart"}, "", "c1"},
		"not a preview":             {[]string{"c1", "c9 preview", "c2", "c8 preview"}, "", "c1"},
		"a running preview":         {[]string{"c1", "c2", "c8 in_progress preview"}, "", "c1"},
		"after a rollback":          {[]string{"c1", "c2", "c3", "c2 rollback"}, "", "c1"},
		"after two":                 {[]string{"c1", "c2", "c3", "c2 rollback", "c1 rollback"}, "", "conflict"},
		"a commit come back":        {[]string{"c1", "c2", "c1"}, "", "c2"},
		"unknown commits":           {[]string{"c1", "HEAD", "c2", "HEAD restart"}, "", "c1"},
		"one only":                  {[]string{"c1"}, "", "conflict"},
		"none":                      {nil, "", "conflict"},
		"none good":                 {[]string{"c1 failed", "c2 failed"}, "", "conflict"},
		"one on its way":            {[]string{"c1", "c2", "c3 in_progress"}, "", "conflict"},
		"one queued":                {[]string{"c1", "c2", "c3 queued"}, "", "conflict"},
		"named":                     {[]string{"c1", "c2", "c3"}, commitOf("c1"), "c1"},
		"named in short":            {[]string{"c1", "c2", "c3"}, "C100000", "c1"},
		"named though one runs":     {[]string{"c1", "c2", "c3 queued"}, "c100000", "c1"},
		"named, of a rollback":      {[]string{"c1 rollback", "c2"}, "c100000", "c1"},
		"named, failed":             {[]string{"c1 failed", "c2"}, "c100000", "not_found"},
		"named, a preview":          {[]string{"c1 preview", "c2"}, "c100000", "not_found"},
		"named, never deployed":     {[]string{"c1"}, commitOf("ab"), "not_found"},
		"too short":                 {[]string{"c1", "c2"}, "c10000", "invalid"},
		"no commit":                 {[]string{"c1", "c2"}, "main; rm -rf /", "invalid"},
		"HEAD":                      {[]string{"c1", "HEAD"}, "HEAD", "invalid"},
		"two begin so":              {[]string{"abcdef01", "abcdef02"}, "abcdef0", "conflict"},
		"one begins so, twice":      {[]string{"abcdef01", "abcdef01", "c2"}, "abcdef0", "abcdef01"},
	} {
		uuid := history(h, h.A, tc.past...)
		h.Sim.Reset()
		got, started, err := rollBack(t, h, uuid, tc.commit)
		if err != nil {
			if e := tenancy.Public(err); string(e.Code) != tc.want || e.Hint == "" || len(changes(h)) > 0 {
				t.Errorf("%s: %v (%s), %q, want %s", name, err, e.Code, changes(h), tc.want)
			}
			continue
		}
		d, ok := h.Sim.Deployment(started.Deployment)
		if got != commitOf(tc.want) || !ok || d.Commit != got || !d.Rollback || started.Already {
			t.Errorf("%s: to %s by %+v (%+v), want %s", name, got, started, d, tc.want)
		}
	}
}

// TestRollbackToWhatWasLive: what was seen to crash is not gone back to, nor what was
// deployed since the records began and never seen live; Coolify finished both, and offers
// images of failed deployments too.
func TestRollbackToWhatWasLive(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	began := time.Now().Add(-time.Hour)
	uuid := h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{Status: "running:healthy", Name: "site"}).UUID
	for i, commit := range []string{"c0", "c1", "c2", "c3", "c4", "c5"} {
		status := coolifytest.Finished
		if commit == "c4" {
			status = coolifytest.Failed
		}
		at := began.Add(time.Duration(i) * time.Minute)
		d := h.Sim.AddDeployment(uuid, coolifytest.Deployment{Status: status, Commit: commitOf(commit), CreatedAt: at})
		live, judged := map[string]bool{"c1": true, "c2": false, "c5": false}[commit]
		if !judged { // c0 is older than the records, nobody looked at c3
			continue
		}
		err := h.DB.RecordVersion(t.Context(), h.A.ID, uuid, hosting.AppVersion{Commit: commitOf(commit), Deployment: d.UUID, Live: live, At: at.Add(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for commit, want := range map[string]string{
		"c000000": "c0", "c100000": "c1", "c200000": "not_found", "c300000": "not_found", "c400000": "not_found", "": "c1",
	} {
		h.Sim.FinishDeletions()
		target, started, err := rollBack(t, h, uuid, commit)
		if got := string(tenancy.Public(err).Code); err != nil && got != want || err == nil && target != commitOf(want) {
			t.Errorf("to %q: %s, %v; want %s", commit, target, err, want)
		}
		if err == nil {
			h.Sim.Finish(started.Deployment, coolifytest.Cancelled)
		}
	}
}

// TestRollbackTwice: who did not hear the answer and asks again does not go back
// further.
func TestRollbackTwice(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := history(h, h.A, "c1", "c2", "c3")
	_, first, err := rollBack(t, h, uuid, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rollBack(t, h, uuid, ""); tenancy.Public(err).Code != tenancy.Conflict {
		t.Errorf("asked again: %v, want a conflict", err)
	}
	if _, again, err := rollBack(t, h, uuid, "c200000"); err != nil || !again.Already || again.Deployment != first.Deployment {
		t.Errorf("named again = %+v, %v, want the one that is queued: %+v", again, err, first)
	}
}

func TestRollbackRefused(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := history(h, h.A, "c1", "c2")
	h.Sim.SetApp(uuid, func(a *coolifytest.App) { a.BuildPack = "nixpacks" })
	h.Sim.Reset()
	_, _, err := rollBack(t, h, uuid, "")
	wantRefused(t, h, "a build pack that could reach the host", err, "nixpacks")
	uuid = history(h, h.A, "c1", "c2")
	h.Sim.QueueLimit(1)
	h.Sim.AddDeployment(h.A.API.UUID, coolifytest.Deployment{})
	if _, _, err := rollBack(t, h, uuid, ""); tenancy.Public(err).Code != tenancy.Conflict || !tenancy.Public(err).Retryable {
		t.Errorf("a full queue: %v", err)
	}
	if err := onApp(t, h, uuid, tenancy.Read, func(a *hosting.App) error { _, _, err := a.Rollback(t.Context(), ""); return err }); tenancy.Public(err).Code != tenancy.Forbidden {
		t.Errorf("with the right to read: %v", err)
	}
	old := tenancytest.New(t, tenancytest.Config{Simulator: coolifytest.Config{Version: coolifytest.Version41}})
	if _, _, err := rollBack(t, old, history(old, old.A, "c1", "c2"), ""); tenancy.Public(err).Code != tenancy.Unavailable || !strings.Contains(err.Error(), "4.3") {
		t.Errorf("an older Coolify: %v", err)
	}
}
