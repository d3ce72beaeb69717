package sidecar_test

import (
	"context"
	"encoding/csv"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A witness is a store that notes what is written to the audit trail, and how many
// requests had gone to Coolify and Gitea by then.
type witness struct {
	tenancytest.Store
	requests func() int

	mu       sync.Mutex
	started  []tenancy.AuditEntry
	before   []int // requests before each entry
	finished map[string]tenancy.AuditFinish
	refuse   bool // to write an entry
}

func (w *witness) StartAudit(ctx context.Context, e tenancy.AuditEntry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse {
		return errors.New("the disk is full")
	}
	w.started, w.before = append(w.started, e), append(w.before, w.requests())
	return w.Store.StartAudit(ctx, e)
}

func (w *witness) FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished[id] = f
	return w.Store.FinishAudit(ctx, workspaceID, id, f)
}

// begin forgets what was noted, and says whether entries are refused from now on.
func (w *witness) begin(refuse bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started, w.before, w.finished, w.refuse = nil, nil, map[string]tenancy.AuditFinish{}, refuse
}

// noted returns what was noted.
func (w *witness) noted() (started []tenancy.AuditEntry, before []int, finished map[string]tenancy.AuditFinish) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.started), slices.Clone(w.before), maps.Clone(w.finished)
}

// TestAuditOfEveryTool: each tool that does more than read has an entry in the audit
// trail before it asks for anything, and its outcome after, whether it goes well or not.
// What cannot be written down is not done. What only reads leaves no entry.
func TestAuditOfEveryTool(t *testing.T) {
	w := &witness{finished: map[string]tenancy.AuditFinish{}}
	var s *server
	w.requests = func() int { return len(s.caused()) }
	wrap := func(inner tenancytest.Store) tenancytest.Store { w.Store = inner; return w }
	s = newServer(t, tenancytest.Config{Premises: appsDomain, Wrap: wrap})
	s.addShops(t)
	doors := []door{
		{name: "mcp", call: func(t testing.TB, tool mcp.Tool, args map[string]any) string {
			return s.overMCP(t, tool, s.A.Key, args)
		}},
		{name: "rest", call: func(t testing.TB, tool mcp.Tool, args map[string]any) string {
			return s.overREST(t, tool, s.A.Slug, s.A.Key, args)
		}},
	}
	changing := 0
	for _, tool := range s.registry.Tools() {
		if tool.Needs != tenancy.Read {
			changing++
		}
		t.Run(tool.Name, func(t *testing.T) {
			for _, d := range doors {
				s.A.Key, s.A.KeyID = s.AddKey(t, s.A, "owner", 0) // what another was refused is another entry
				s.checkAudit(t, w, d, tool, s.valid(t, s.A, tool.Name), "ok")
				for _, p := range s.properties(t, tool) {
					if pairs := twins(s.B)[p.Name]; len(pairs) > 0 {
						s.checkAudit(t, w, d, tool, with(probesOf(s.A)[tool.Name], p.Name, pairs[0][0]), "")
					}
				}
				s.checkUnwritten(t, w, d, tool)
			}
		})
	}
	if changing < 10 {
		t.Errorf("%d tools do more than read", changing)
	}
}

// TestRepeatedRefusalsThroughEveryDoor: whoever shows the audit trail says how often the
// same was refused.
func TestRepeatedRefusalsThroughEveryDoor(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	key, _ := s.AddKey(t, s.A, "owner", 0)
	tool := toolNamed(t, s.registry, "apps.deploy")
	none := map[string]any{"app": nobody}
	for range 2 {
		s.overMCP(t, tool, key, none)
	}
	s.overREST(t, tool, s.A.Slug, key, none)
	s.overREST(t, tool, s.A.Slug, key, map[string]any{"app": s.A.Web.UUID})

	for door, answer := range map[string]string{
		"mcp":  s.overMCP(t, toolNamed(t, s.registry, "activity.list"), key, map[string]any{"tool": "apps.deploy"}),
		"rest": s.overREST(t, toolNamed(t, s.registry, "activity.list"), s.A.Slug, key, map[string]any{"tool": "apps.deploy"}),
	} {
		if !strings.Contains(answer, `"times":3,"last_at":"20`) || strings.Count(answer, `"times"`) != 1 || strings.Count(answer, `"tool":"apps.deploy"`) != 2 {
			t.Errorf("%s: %s", door, answer)
		}
	}
	browser, trail := s.signedIn(t, s.A, owner(s.A)), "/w/"+s.A.Slug+"/activity"
	browser.get(t, trail+"?tool=apps.deploy").says(t, http.StatusOK, "not_found", "3 times, last just now")
	rows, err := csv.NewReader(strings.NewReader(browser.get(t, trail+"/export.csv?tool=apps.deploy").body)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows of CSV (%v)", len(rows), err)
	}
	for i, want := range []string{"times", "1", "3"} {
		if cells := rows[i]; cells[10] != want || (cells[11] != "") != (want != "1") {
			t.Errorf("CSV: %v, want %s times and when the last was", cells, want)
		}
	}
	lines := browser.get(t, trail+"/export.jsonl?tool=apps.deploy").body
	if strings.Count(lines, "\n") != 2 || !strings.Contains(lines, `"times":3,"last_at":"20`) || !strings.Contains(lines, `"times":1}`) {
		t.Errorf("JSONL: %s", lines)
	}
}

// checkAudit calls a tool and looks at what it leaves in the audit trail: an outcome, or
// "" for whichever error is answered.
func (s *server) checkAudit(
	t *testing.T, w *witness, d door, tool mcp.Tool, args map[string]any, outcome string,
) {
	t.Helper()
	s.forget()
	w.begin(false)
	answer := d.call(t, tool, args)
	started, before, finished := w.noted()
	if well(answer) != (outcome == "ok") {
		t.Fatalf("%s %v: %s", d.name, args, answer)
	}
	if tool.Needs == tenancy.Read {
		if len(started) > 0 {
			t.Errorf("%s: it only reads, and left %+v", d.name, started)
		}
		return
	}
	if len(started) != 1 || len(finished) != 1 {
		t.Fatalf("%s %v: %d entries were begun and %d completed, want one", d.name, args, len(started), len(finished))
	}
	e, end := started[0], finished[started[0].ID]
	by := "key:" + s.A.KeyID
	if before[0] != 0 || e.Outcome != "started" || e.Tool != tool.Name || e.WorkspaceID != s.A.ID || e.Principal != by {
		t.Errorf("%s %v: after %d requests, %+v was begun", d.name, args, before[0], e)
	}
	if end.Outcome == "" || end.Outcome == "started" || outcome == "ok" && end.Outcome != outcome ||
		outcome == "" && !isCode(answer, tenancy.Code(end.Outcome)) {
		t.Errorf("%s %v: it ended %q on record, and answered %s", d.name, args, end.Outcome, answer)
	}
	sent := slices.ContainsFunc(s.caused(), func(request string) bool { return !strings.HasPrefix(request, "GET ") })
	if end.Changed != sent {
		t.Errorf("%s %v: on record as what may have changed something: %v; it asked %v", d.name, args, end.Changed, s.caused())
	}
	kept, err := s.DB.Audit(t.Context(), s.A.ID, tenancy.AuditQuery{Limit: 1})
	if err != nil || len(kept) != 1 || kept[0].ID != e.ID || kept[0].Tool != tool.Name || kept[0].Outcome != end.Outcome {
		t.Errorf("%s %v: on record is %+v, %v", d.name, args, kept, err)
	}
}

// checkUnwritten calls a tool while no entry can be written.
func (s *server) checkUnwritten(t *testing.T, w *witness, d door, tool mcp.Tool) {
	t.Helper()
	args := s.valid(t, s.A, tool.Name)
	s.forget()
	w.begin(true)
	answer := d.call(t, tool, args)
	if tool.Needs == tenancy.Read {
		if !well(answer) {
			t.Errorf("%s: what only reads needs no entry: %s", d.name, answer)
		}
		return
	}
	if asked := s.caused(); well(answer) || len(asked) > 0 || strings.Contains(answer, "disk") {
		t.Errorf("%s: with no entry, it asked %v and answered %s", d.name, asked, answer)
	}
}
