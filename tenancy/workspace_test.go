package tenancy_test

import (
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

func TestCheckSlug(t *testing.T) {
	for slug, want := range map[string]bool{
		"alpha": true, "a": true, "a1-b2": true, "botany": true, strings.Repeat("a", 31): true,
		"": false, strings.Repeat("a", 32): false, "bot": false, "bot-alpha": false, "Alpha": false, "1a": false, "-a": false, "a-": false,
		"a--b": false, "a_b": false, "a.b": false, "a/b": false, "a b": false, "\u00e4": false, "a\n": false,
	} {
		if err := tenancy.CheckSlug(slug); (err == nil) != want {
			t.Errorf("CheckSlug(%q) = %v, want allowed: %v", slug, err, want)
		}
	}
}

// FuzzCheckSlug: what is taken is safe in a URL, a host name and a user name, and
// no two slugs make one Gitea name.
func FuzzCheckSlug(f *testing.F) {
	for _, seed := range []string{"alpha", "bot-alpha", "a-b", "", "A", "a\u200bb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if tenancy.CheckSlug(s) != nil {
			return
		}
		if s == "" || len("vibn-bot-"+s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix("vibn-"+s, "vibn-bot-") {
			t.Errorf("CheckSlug(%q) took it", s)
		}
	})
}

func TestRights(t *testing.T) {
	for rights := range tenancy.AllRights + 1 {
		if got, err := tenancy.ParseRights(rights.String()); err != nil || got != rights {
			t.Errorf("ParseRights(%q) = %v, %v", rights, got, err)
		}
	}
	for _, bad := range []string{"root", "read,", ",", "read,root", "READ"} {
		if got, err := tenancy.ParseRights(bad); err == nil {
			t.Errorf("ParseRights(%q) = %v", bad, got)
		}
	}
	before := tenancy.Rights(0)
	for _, p := range tenancy.Presets() {
		if !p.Rights.Has(before) || p.Rights == before {
			t.Errorf("preset %s has %v, not more than the one before: %v", p.Name, p.Rights, before)
		}
		before = p.Rights
	}
	if r := tenancy.Role("nobody").Rights(); r != 0 {
		t.Errorf("an unknown role has rights: %v", r)
	}
}

// TestCursor: a cursor opens for its principal, workspace and tool only.
func TestCursor(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	other, _ := h.AddKey(t, h.A, "builder", 0)
	mine := h.Open(t, h.A.Key, tenancy.Read)
	cursor, err := mine.SealCursor("apps.list", 7)
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := mine.OpenCursor("apps.list", cursor, &got); err != nil || got != 7 {
		t.Fatalf("OpenCursor = %d, %v; want 7", got, err)
	}
	for name, open := range map[string]func() error{
		"another tool":      func() error { return mine.OpenCursor("apps.get", cursor, &got) },
		"another key":       func() error { return h.Open(t, other, tenancy.Read).OpenCursor("apps.list", cursor, &got) },
		"another workspace": func() error { return h.Open(t, h.B.Key, tenancy.Read).OpenCursor("apps.list", cursor, &got) },
		"a changed cursor":  func() error { return mine.OpenCursor("apps.list", cursor+"A", &got) },
		"no cursor":         func() error { return mine.OpenCursor("apps.list", "", &got) },
	} {
		if err := open(); tenancy.Public(err).Code != tenancy.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

// TestOperator: what an operator types is judged before anything is stored.
func TestOperator(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	ctx := t.Context()
	for name, n := range map[string]people.NewWorkspace{
		"slug":        {Slug: "Not A Slug"},
		"project":     {Slug: "gamma", CoolifyProject: "a/b"},
		"server":      {Slug: "gamma", Placement: tenancy.Placement{Server: "a,b"}},
		"destination": {Slug: "gamma", Placement: tenancy.Placement{Destination: "?"}},
	} {
		if _, err := h.Operator.CreateWorkspace(ctx, n); tenancy.Public(err).Code != tenancy.Invalid {
			t.Errorf("a bad %s: %v, want invalid", name, err)
		}
	}
	for name, n := range map[string]people.NewWorkspace{
		"slug":                 {Slug: "alpha"},
		"project of another's": {Slug: "gamma", CoolifyProject: h.A.Project.UUID},
	} {
		if _, err := h.Operator.CreateWorkspace(ctx, n); tenancy.Public(err).Code != tenancy.Conflict {
			t.Errorf("a taken %s: %v, want conflict", name, err)
		}
	}
	if err := h.Operator.DeleteWorkspace(ctx, h.A.Workspace); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Operator.CreateWorkspace(ctx, people.NewWorkspace{Slug: "alpha"}); tenancy.Public(err).Code != tenancy.Conflict {
		t.Errorf("a deleted workspace's slug was used again: %v", err)
	}
	if _, err := h.Guard.OpenKey(ctx, h.A.Key); tenancy.Public(err).Code != tenancy.Unauthorized {
		t.Errorf("a deleted workspace's key: %v, want unauthorized", err)
	}
	if _, _, err := h.Operator.CreateKey(ctx, h.A.Workspace, "late", tenancy.Read, 0); err == nil {
		t.Error("a deleted workspace got a key")
	}
	if list, err := h.Operator.Workspaces(ctx); err != nil || len(list) != 1 {
		t.Errorf("Workspaces = %v, %v; want beta alone", list, err)
	}
}
