package mcp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// crowd fills A's workspace with as much as a large one has, in long words.
func crowd(t *testing.T, h *house) {
	t.Helper()
	long := strings.Repeat("a rather long name of an application and then some ", 2)
	message := strings.Repeat("Rework <the> \"whole\" build & its caches\n", 15)
	for i := range 50 {
		domains := make([]string, 20)
		for d := range domains {
			domains[d] = fmt.Sprintf("https://number-%02d.of-application-%02d.some-long-name.example.com", d, i)
		}
		h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{
			Name: fmt.Sprintf("%s%02d", long, i), FQDN: strings.Join(domains, ","), Description: long, Status: "running:healthy",
			GitRepository: "git@git.example.com:vibn-alpha/one-large-repository-that-all-of-them-share.git",
		})
		h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: "finished", Message: message, Commit: fmt.Sprintf("%040x", i)})
	}
	for i := range 200 {
		h.Sim.AddEnv(h.A.Web.UUID, coolifytest.Env{Key: fmt.Sprintf("A_RATHER_LONG_NAME_OF_A_VARIABLE_OF_SOME_SERVICE_%03d", i), Value: "1", Runtime: true})
	}
	line := `{"level":"info","msg":"<a href=\"/x?a=1&b=2\">` + strings.Repeat(`\"<&>`, 300) + `"}`
	lines := slices.Repeat([]string{line}, 500)
	h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) { a.Logs = strings.Join(lines, "\n") })
	var build []coolifytest.LogLine
	for range 500 {
		build = append(build, coolifytest.LogLine{Output: line})
	}
	h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{UUID: strings.Repeat("b", 24), Status: "failed", Logs: build, Message: message})
	addEntries(t, h)
	addProjects(t, h)
}

// addProjects fills the workspace with as many projects as it may have, with the
// longest names and descriptions. One of them is there in Gitea.
func addProjects(t *testing.T, h *house) {
	t.Helper()
	h.AddRepository(t, h.A, repositoryName)
	if _, err := h.Git.Push(h.A.GiteaOrg+"/"+repositoryName, "main", strings.Repeat("Rework <the> \"whole\" build & its caches\n", 500), map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	for i := range repository.MaxProjects - 2 { // one more is created as it is called
		name := fmt.Sprintf("%s-%02d", strings.Repeat("p", 37), i)
		err := h.DB.CreateProject(t.Context(), tenancy.Project{
			ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: h.A.ID, Slug: name, Name: name, Description: strings.Repeat(`<"&\`, 63), Nonce: "n", CreatedAt: h.A.CreatedAt,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// repositoryName is as long as the name of a project may be.
var repositoryName = strings.Repeat("a", 40)

// addEntries fills the audit trail with long entries.
func addEntries(t *testing.T, h *house) {
	t.Helper()
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"A_LONG_NAME_OF_A_VARIABLE_%02d"`, i)
	}
	for range 51 {
		err := h.DB.StartAudit(t.Context(), tenancy.AuditEntry{
			ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: h.A.ID, Principal: "key:" + h.A.KeyID, Client: strings.Repeat("a client ", 55),
			Tool: "envs.upsert", Target: strings.Repeat("web.", 60), Args: `{"set":[` + strings.Join(keys, ",") + `]}`, At: h.A.CreatedAt,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// largest is how each tool is called for its largest answer.
func largest(h *house) map[string]string {
	app, build := `{"app":"`+h.A.Web.UUID+`"`, `{"deployment":"`+strings.Repeat("b", 24)+`"`
	return map[string]string{
		"activity.list":      `{"limit":50}`,
		"apps.create":        `{"project":"` + repositoryName + `","build":"static","name":"` + strings.Repeat("b", 40) + `"}`,
		"apps.delete":        app + `,"confirm":"` + h.A.Web.Name + `"}`,
		"apps.update":        app + `,"description":"` + strings.Repeat("d", 255) + `"}`,
		"apps.control":       app + `,"action":"restart"}`,
		"apps.deploy":        app + `,"force":true}`,
		"apps.deployments":   app + `,"limit":50}`,
		"apps.diagnose":      app + `}`,
		"apps.get":           app + `}`,
		"apps.list":          `{"limit":50}`,
		"apps.logs":          app + `,"lines":500}`,
		"databases.create":   `{"name":"` + strings.Repeat("b", 40) + `","engine":"postgresql","attach_to":"` + h.A.API.UUID + `"}`,
		"databases.delete":   `{"database":"` + h.Sim.AddDatabase(h.A.Project.Environments[0].UUID, coolifytest.Database{Name: "doomed"}).UUID + `","confirm":"doomed"}`,
		"databases.get":      `{"database":"` + h.Sim.AddDatabase(h.A.Project.Environments[0].UUID, coolifytest.Database{Name: strings.Repeat("d", 255)}).UUID + `"}`,
		"databases.list":     `{}`,
		"apps.rollback":      app + `,"commit":"` + h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: "finished", Commit: strings.Repeat("c", 40)}).Commit + `"}`,
		"domains.list":       `{}`,
		"domains.set":        app + `,"domain":""}`,
		"deployments.cancel": `{"deployment":"` + h.Sim.AddDeployment(h.A.API.UUID, coolifytest.Deployment{}).UUID + `"}`,
		"deployments.get":    build + `}`,
		"deployments.logs":   build + `,"lines":500}`,
		"deployments.wait":   build + `}`,
		"envs.delete":        app + `,"keys":["A","B"]}`,
		"envs.list":          app + `}`,
		"envs.upsert":        app + `,"set":{"A":"1","B":"2"}}`,
		"gitea.credentials":  `{"reveal":true}`,
		"projects.create":    `{"name":"` + strings.Repeat("b", 40) + `","description":"` + strings.Repeat("d", 255) + `"}`,
		"projects.get":       `{"project":"vibn-alpha/one-large-repository-that-all-of-them-share"}`,
		"projects.list":      `{"limit":25}`,
		"workspace.describe": `{}`,
	}
}

// TestLargeWorkspace: what a large workspace makes of each tool fits into an
// answer. Lists that do not fit end early and say so.
func TestLargeWorkspace(t *testing.T) {
	h := newHouse(t)
	crowd(t, h)
	t.Run("answers", func(t *testing.T) { checkAnswers(t, h) })
	t.Run("pages", func(t *testing.T) { checkPages(t, h) })
	t.Run("project", func(t *testing.T) { checkProject(t, h) })
	t.Run("repository", func(t *testing.T) { checkRepository(t, h) })
}

func checkAnswers(t *testing.T, h *house) {
	h.A.Key, _ = h.AddKey(t, h.A, "owner", 0)
	calls := largest(h)
	for _, tool := range h.registry.Tools() {
		args, ok := calls[tool.Name]
		if !ok {
			t.Errorf("%s has no call for its largest answer", tool.Name)
			continue
		}
		out, err := h.call(t, tool.Name, args)
		if err != nil || len(out) > mcp.MaxAnswer {
			t.Errorf("%s: %d bytes, %v", tool.Name, len(out), err)
		}
		t.Logf("%-18s %6d bytes", tool.Name, len(out))
	}
}

// checkPages turns the pages of every list until its end: each item comes once,
// although no page is as long as was asked for.
func checkPages(t *testing.T, h *house) {
	app := `"app":"` + h.A.Web.UUID + `"`
	for _, tc := range []struct {
		tool, args, list, id string
		want                 int // 0 = not known
	}{
		{"apps.list", `"limit":50`, "apps", "uuid", 53},
		{"apps.deployments", app + `,"limit":50`, "deployments", "uuid", len(h.Sim.Deployments(h.A.Web.UUID))},
		{"activity.list", `"limit":50`, "entries", "", 0},
		{"projects.list", `"limit":25`, "projects", "project", 3 + repository.MaxProjects},
	} {
		items, pages := turn(t, h, tc.tool, tc.args, tc.list)
		seen := map[any]bool{}
		for i, item := range items {
			seen[cmpOr(item[tc.id], i)] = true
		}
		if len(seen) != len(items) || pages < 2 || tc.want != 0 && len(items) != tc.want {
			t.Errorf("%s: %d items, %d of them different, on %d pages; want %d on several", tc.tool, len(items), len(seen), pages, tc.want)
		}
	}
}

// cmpOr is what an item goes by: its id, or its place where it has none.
func cmpOr(id any, place int) any {
	if id == nil {
		return place
	}
	return id
}

// turn returns the items of all pages of a list.
func turn(t *testing.T, h *house, tool, args, list string) (items []map[string]any, pages int) {
	t.Helper()
	for cursor := ""; pages < 100; pages++ {
		out, err := h.call(t, tool, `{`+args+cursor+`}`)
		if err != nil {
			t.Fatal(err)
		}
		var page map[string]json.RawMessage
		var these []map[string]any
		if err := json.Unmarshal(out, &page); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(page[list], &these); err != nil || len(these) == 0 {
			t.Fatalf("%s: %v in %v", tool, err, slices.Collect(maps.Keys(page)))
		}
		items = append(items, these...)
		next, more := page["next_cursor"]
		if string(page["truncated"]) != fmt.Sprint(more) {
			t.Errorf("%s: truncated is %s, and there is a cursor: %v", tool, page["truncated"], more)
		}
		if !more {
			return items, pages + 1
		}
		cursor = `,"cursor":` + string(next)
	}
	return items, pages
}

// checkProject: a project whose apps do not fit says so.
func checkProject(t *testing.T, h *house) {
	for range 3 {
		crowdRepository(h)
	}
	out, err := h.call(t, "projects.get", largest(h)["projects.get"])
	var got struct {
		Apps      []json.RawMessage
		Truncated bool
	}
	if err != nil || json.Unmarshal(out, &got) != nil || !got.Truncated || len(got.Apps) < 50 || len(got.Apps) >= 200 {
		t.Errorf("a project of 200 apps shows %d, truncated: %v (%v)", len(got.Apps), got.Truncated, err)
	}
}

// checkRepository: an endless commit message does not fill the answer, and there
// can be no more projects than that.
func checkRepository(t *testing.T, h *house) {
	out, err := h.call(t, "projects.get", `{"project":"`+repositoryName+`"}`)
	if err != nil || !strings.Contains(string(out), `"last_commit":{"sha":"`) || len(out) > 12_000 {
		t.Errorf("projects.get of one with a long commit message: %d bytes, %v", len(out), err)
	}
	if code, msg := h.refusal(t, "projects.create", `{"name":"one-more"}`); code != tenancy.Forbidden || !strings.Contains(msg, fmt.Sprint(repository.MaxProjects)) {
		t.Errorf("one project more than there may be: %q %q", code, msg)
	}
}

func crowdRepository(h *house) {
	for i := range 50 {
		h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{
			Name: fmt.Sprintf("%s %d", strings.Repeat("another long name ", 12), i), GitBranch: strings.Repeat("a/long/branch/", 8),
			GitRepository: "git@git.example.com:vibn-alpha/one-large-repository-that-all-of-them-share.git",
		})
	}
}
