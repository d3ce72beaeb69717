package sidecar_test

import (
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// wallOf returns how the wall tries a property of a tool; "" if not at all. The second
// result is the line of a list that says so.
func wallOf(b *tenancytest.Tenant, tool mcp.Tool, p mcp.Param) (how, line string) {
	_, twin := twins(b)[p.Name]
	_, narrows := filters(b)[p.Name]
	_, names := plain[tool.Name+" "+p.Name]
	switch {
	case p.Type == "object" && !names: // an id may be anywhere in it, so it has to be thought about
		return "", ""
	case twin || narrows || p.Name == "cursor":
		return "TestWall", p.Name
	case slices.Contains(chosen, p.Name):
		return "TestWallChosen", p.Name
	case slices.Contains(counts, p.Name) && p.Type == "integer":
		return "a number", p.Name
	case names:
		return "plain", tool.Name + " " + p.Name
	}
	return "", ""
}

// TestWallProperties: each property of each tool's input is tried with what is B's, or
// stands on a list that says why it cannot name anything of B's. No list has a line
// that no tool needs.
func TestWallProperties(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	needed := map[string]bool{}
	for _, tool := range s.registry.Tools() {
		for _, p := range s.properties(t, tool) {
			how, line := wallOf(s.B, tool, p)
			if how == "" {
				t.Errorf("%s takes %s (%s), which is never tried with what is another workspace's: "+
					"add ids of B to twins, or say in plain why it names nothing", tool.Name, p.Name, p.Type)
			}
			needed[line] = true
		}
	}
	lines := slices.Concat(chosen, counts)
	for _, list := range []iter.Seq[string]{maps.Keys(twins(s.B)), maps.Keys(filters(s.B)), maps.Keys(plain)} {
		lines = slices.AppendSeq(lines, list)
	}
	for _, line := range lines {
		if !needed[line] {
			t.Errorf("no tool takes %q, which is on a list", line)
		}
	}
}

// TestWallPropertiesForgotten proves that a property which is on no list is noticed,
// also one that is called as something is elsewhere.
func TestWallPropertiesForgotten(t *testing.T) {
	b := &tenancytest.Tenant{Project: coolifytest.Project{Environments: []coolifytest.Environment{{}}}}
	for _, p := range []mcp.Param{
		{Name: "repository", Type: "string"},
		{Name: "repository_id", Type: "integer"},
		{Name: "limit", Type: "string"},
		{Name: "branch", Type: "string"},
		{Name: "apps", Type: "array"},
		{Name: "app", Type: "object"},
		{Name: "set", Type: "object"},
	} {
		if how, line := wallOf(b, mcp.Tool{Name: "test.tool"}, p); how != "" {
			t.Errorf("%s of type %s would be taken care of by %q of %s", p.Name, p.Type, line, how)
		}
	}
}

// madeIDs are ids that are other ones each time.
var madeIDs = regexp.MustCompile(`[a-z0-9]{24}`)

// TestWallChosen has A choose the words that B has chosen, and that nobody has: they
// are as good, A gets what is A's own, and B's is as it was.
func TestWallChosen(t *testing.T) {
	s := newServer(t, tenancytest.Config{Premises: appsDomain})
	s.addShops(t)
	for _, x := range []*tenancytest.Tenant{s.A, s.B} {
		if err := s.DB.SetPlan(t.Context(), x.ID, tenancy.Plan{Apps: 100, Databases: 100}, x.CreatedAt); err != nil {
			t.Fatal(err)
		}
	}
	argsOf := func(x *tenancytest.Tenant, tool string) map[string]any {
		args := maps.Clone(s.valid(t, x, tool))
		delete(args, "attach_to") // one variable takes the address of one database
		return args
	}
	const first = "first-word"
	for _, tool := range s.registry.Tools() {
		for _, p := range s.properties(t, tool) {
			if !slices.Contains(chosen, p.Name) {
				continue
			}
			t.Run(tool.Name+"/"+p.Name, func(t *testing.T) {
				// The call looks up what it remembers, and A's own word is taken.
				for _, x := range []*tenancytest.Tenant{s.A, s.B} {
					args := with(argsOf(x, tool.Name), p.Name, first+"-"+x.Slug)
					if got := s.overREST(t, tool, x.Slug, x.Key, args); !well(got) {
						t.Fatalf("%s for %s itself: %s", tool.Name, x.Slug, got)
					}
				}
				before := s.all(s.B)
				var answers [2]string
				var requests [2][]string
				for i, word := range []string{first + "-" + s.B.Slug, first + "-free"} {
					args := with(argsOf(s.A, tool.Name), p.Name, word)
					if p.Name != "name" {
						word = []string{"other-one", "other-two"}[i]
						args["name"] = word // the key comes with other arguments than before
					}
					s.forget()
					answer := s.overREST(t, tool, s.A.Slug, s.A.Key, args)
					requests[i] = s.caused()
					answers[i] = madeIDs.ReplaceAllString(strings.ReplaceAll(answer, word, "WORD"), "ID")
				}
				if answers[0] != answers[1] || !well(answers[0]) || strings.Contains(answers[0], s.B.Canary) {
					t.Errorf("with B's word: %s\nwith nobody's: %s", answers[0], answers[1])
				}
				if !slices.Equal(requests[0], requests[1]) {
					t.Errorf("with B's word it asks %v, with nobody's %v", requests[0], requests[1])
				}
				if diff := cmp.Diff(before, s.all(s.B), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("what is B's changed (-before +after)\n%s", diff)
				}
			})
		}
	}
	s.Fine(t)
}

// all is what there is of a tenant's apps and databases on Coolify, and on Gitea.
func (s *server) all(x *tenancytest.Tenant) []any {
	env := x.Project.Environments[0].UUID
	others := func(a coolifytest.App) bool { return a.EnvironmentUUID != env }
	return []any{slices.DeleteFunc(s.Sim.Snapshot().Apps, others), s.databasesOf(x), s.giteaOf(x)}
}

// TestWallCommit has A wait for a commit that was pushed to B and deployed there: it is
// as one that nobody has pushed. A's own is found.
func TestWallCommit(t *testing.T) {
	t.Parallel()
	s := newServer(t, tenancytest.Config{})
	s.addShops(t)
	own := strings.Repeat("a", 40)
	s.deployedAt(t, s.A, own)
	s.deployedAt(t, s.B, commitOfB)
	wait := toolNamed(t, s.registry, "deployments.wait")
	var answers [2]string
	var requests [2][]string
	for i, commit := range []string{commitOfB, commitOfNobody} {
		s.forget()
		answer := s.overREST(t, wait, s.A.Slug, s.A.Key, map[string]any{"deployment": commit, "wait_seconds": 1})
		answers[i] = strings.NewReplacer(commit, "COMMIT", commit[:7], "COMMIT").Replace(answer)
		requests[i] = slices.Compact(s.caused())
	}
	if answers[0] != answers[1] || strings.Contains(answers[0], s.B.Canary) || strings.Contains(answers[0], s.B.Slug) {
		t.Errorf("of B's commit: %s\nof nobody's: %s", answers[0], answers[1])
	}
	if !slices.Equal(requests[0], requests[1]) || len(writes(requests[0])) > 0 {
		t.Errorf("of B's commit it asks %v, of nobody's %v", requests[0], requests[1])
	}
	got := s.overREST(t, wait, s.A.Slug, s.A.Key, map[string]any{"deployment": own, "wait_seconds": 1})
	if !well(got) || !strings.Contains(got, `"status":"finished"`) {
		t.Errorf("A's own: %s", got)
	}
	s.Fine(t)
}

// deployedAt has a tenant create an app, and a push of a commit to it deployed.
func (s *server) deployedAt(t *testing.T, x *tenancytest.Tenant, commit string) {
	t.Helper()
	create := toolNamed(t, s.registry, "apps.create")
	if got := s.overREST(t, create, x.Slug, x.Key, probesOf(x)["apps.create"]); !well(got) {
		t.Fatalf("apps.create: %s", got)
	}
	apps, err := s.DB.AppRecords(t.Context(), x.ID)
	if err != nil || len(apps) != 1 {
		t.Fatalf("AppRecords = %v, %v", apps, err)
	}
	pushed := apps[0]
	pushed.Head = commit
	done := s.Sim.AddDeployment(pushed.UUID, coolifytest.Deployment{Status: coolifytest.Finished, Commit: commit})
	pushed.Deployment = done.UUID
	if err := s.DB.SetAppPush(t.Context(), apps[0], pushed); err != nil {
		t.Fatal(err)
	}
}
