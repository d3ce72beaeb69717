package sidecar_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// nobody is an id of the right form that belongs to nobody.
const nobody = "zzzzzzzzzzzzzzzzzzzzzzzz"

// Commits that were deployed: by B, by nobody, and by the app that goes back.
var commitOfB, commitOfNobody, commitBefore = strings.Repeat("b", 40), strings.Repeat("c", 40), strings.Repeat("1", 40)

// appsDomain is the domain under which apps get their names, where a test has one.
var appsDomain = tenancy.Premises{AppDomain: tenancy.AppDomain{Scheme: "https", Host: "apps.example.org"}}

// probesOf has the arguments of every tool for a tenant's own things.
func probesOf(x *tenancytest.Tenant) map[string]map[string]any {
	app, dep := map[string]any{"app": x.Web.UUID}, map[string]any{"deployment": x.Done.UUID}
	return map[string]map[string]any{
		"workspace.describe": {},
		"projects.list":      {},
		"projects.get":       {"project": projectOf(x)},
		"projects.create":    {"name": "made-" + x.Canary}, // it is made in the workspace's own organisation
		"gitea.credentials":  {"reveal": true},
		"apps.list":          {"environment": x.Project.Environments[0].UUID},
		"apps.get":           app,
		"apps.create":        {"project": shopOf(x), "build": "static"},
		"apps.update":        with(app, "port", 8080),
		"apps.delete":        with(app, "confirm", ""), // nothing goes without a person's word
		"apps.deploy":        app,
		"apps.control":       {"app": x.API.UUID, "action": "stop"}, // not the app whose log is read
		"apps.rollback":      app,
		"apps.deployments":   app,
		"apps.logs":          app,
		"apps.diagnose":      app,
		"deployments.get":    dep,
		"deployments.wait":   with(with(dep, "wait_seconds", 1), "app", x.Web.UUID),
		"deployments.logs":   dep,
		"deployments.cancel": dep,
		"envs.list":          app,
		"envs.upsert":        with(app, "set", map[string]string{"PROBE": "1"}),
		"envs.delete":        with(app, "keys", []string{"PROBE"}),
		"databases.list":     {},
		"databases.get":      {"database": x.Data.UUID},
		"databases.create":   {"name": "made-" + x.Canary, "engine": "postgresql", "attach_to": x.API.UUID},
		"databases.delete":   {"database": x.Data.UUID, "confirm": x.Data.Name},
		"domains.list":       app,
		"domains.set":        with(app, "domain", "www."+x.Slug+"."+appsDomain.AppDomain.Host),
		"activity.list":      {"target": x.Web.UUID},
	}
}

// valid returns arguments for which a tool answers well. What the call uses up is
// made for it. It takes [server.addShops], and [appsDomain].
func (s *server) valid(t testing.TB, x *tenancytest.Tenant, tool string) map[string]any {
	t.Helper()
	args, ok := probesOf(x)[tool]
	if !ok {
		t.Fatalf("%s has no probe", tool)
	}
	s.Sim.FinishDeletions() // of earlier calls, so that lists stay short
	env := x.Project.Environments[0].UUID
	switch tool {
	case "apps.delete":
		app := s.Sim.AddApp(env, coolifytest.App{Name: "doomed-" + x.Canary})
		return map[string]any{"app": app.UUID, "confirm": app.Name}
	case "apps.rollback":
		s.Sim.AddDeployment(x.API.UUID, coolifytest.Deployment{Status: coolifytest.Finished, Commit: commitBefore})
		return map[string]any{"app": x.API.UUID, "commit": commitBefore}
	case "databases.delete":
		d := s.Sim.AddDatabase(env, coolifytest.Database{Name: "doomed-" + x.Canary})
		return map[string]any{"database": d.UUID, "confirm": d.Name}
	case "envs.delete":
		s.Sim.AddEnv(x.API.UUID, coolifytest.Env{Key: "DOOMED", Value: "1"})
		return map[string]any{"app": x.API.UUID, "keys": []string{"DOOMED"}}
	case "deployments.cancel":
		d := s.Sim.AddDeployment(x.API.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
		return map[string]any{"deployment": d.UUID}
	}
	return args
}

func projectOf(x *tenancytest.Tenant) string {
	name := x.Web.GitRepository[strings.LastIndex(x.Web.GitRepository, "/")+1:]
	return "vibn-" + x.Slug + "/" + strings.TrimSuffix(name, ".git")
}

// shopOf is the name of a tenant's repository; see addShops.
func shopOf(x *tenancytest.Tenant) string { return "shop-" + x.Canary }

// addShops gives each tenant a repository that was created here, with a commit.
func (s *server) addShops(t testing.TB) {
	t.Helper()
	for _, x := range []*tenancytest.Tenant{s.A, s.B} {
		s.AddRepository(t, x, shopOf(x))
		files := map[string]string{"a": x.Canary}
		if _, err := s.Git.Push(x.GiteaOrg+"/"+shopOf(x), "main", "commit of "+x.Canary, files); err != nil {
			t.Fatal(err)
		}
	}
}

// twins are pairs of ids of one form, B's and nobody's, by the properties that name
// what is there. A tool refuses them, and refuses both alike. Cursors are in
// [server.cursorsOf].
func twins(b *tenancytest.Tenant) map[string][][2]string {
	apps := [][2]string{
		{b.Web.UUID, nobody},
		{b.Web.Name, "nobodys-name"},
		{"web.beta.example.com", "web.nobody.example.com"},
		{"https://web.beta.example.com/", "https://web.nobody.example.com/"},
		{b.Done.UUID, nobody},
		{b.Project.UUID, nobody},
		{b.Data.UUID, nobody},
		{b.Holder.UUID, nobody},
		{b.Holder.Name, "nobodys-name"},
	}
	return map[string][][2]string{
		"app":       apps,
		"attach_to": apps,
		"database": {
			{b.Data.UUID, nobody},
			{b.Data.Name, "nobodys-name"},
			{b.Web.UUID, nobody},
			{b.Web.Name, "nobodys-name"},
			{b.Holder.UUID, nobody},
			{b.Holder.Name, "nobodys-name"},
			{b.Project.UUID, nobody},
			{b.ID, "01a210e7-b726-7213-a787-bbfa60525fe6"},
		},
		"deployment": {{b.Done.UUID, nobody}, {b.Web.UUID, nobody}, {b.Holder.UUID, nobody}}, // and commits: see TestWallCommit
		"project": {
			{projectOf(b), "vibn-nobody/nothing"},
			{b.Project.UUID, nobody},
			{b.GiteaOrg + "/" + shopOf(b), "vibn-nobody/nothing"},
			{shopOf(b), "nothing"},
			{strings.ToUpper(shopOf(b)), "NOTHING"},
			{b.GiteaOrg, "vibn-nobody"},
			{b.GiteaBot, "vibn-bot-nobody"},
			{b.GiteaBot + "/" + shopOf(b), "vibn-bot-nobody/nothing"},
			{fmt.Sprint(b.GiteaOrgID), "999999"},
			{b.Slug, "nobody"},
			{b.ID, "01a210e7-b726-7213-a787-bbfa60525fe6"},
		},
		"environment": {{b.Project.Environments[0].UUID, nobody}, {"beta", "nobody"}},
		"commit":      {{commitOfB, commitOfNobody}, {commitOfB[:7], commitOfNobody[:7]}},
		"confirm":     {{b.Web.Name, "nobodys-name"}, {b.Data.Name, "nobodys-name"}, {b.Web.UUID, nobody}},
		"domain": {
			{"web.beta.example.com", "web.nobody.example.com"},
			{"www.beta." + appsDomain.AppDomain.Host, "www.nobody." + appsDomain.AppDomain.Host},
		},
	}
}

// filters are pairs, as twins are, by the properties that narrow a list: of both the
// list is empty. No other call names these.
func filters(b *tenancytest.Tenant) map[string][2]string {
	return map[string][2]string{"target": {b.API.UUID, strings.Repeat("y", 24)}}
}

// chosen are the properties with which a caller chooses a word. One that B has chosen
// is as free as any: see TestWallChosen.
var chosen = []string{"name", "idempotency_key"}

// counts are the whole numbers that name nothing.
var counts = []string{"limit", "lines", "port", "wait_seconds"}

// Why a property names nothing that another workspace could have.
const (
	searched     = "text to look for in what was found"
	variables    = "variables of the app, which is probed"
	inTheRepo    = "a place in the repository of the project or app, which is probed"
	pageOfTheApp = "a page that Coolify asks the app's own container for, which is probed"
	forPeople    = "words that are kept as they are"
)

// plain are the other properties that name nothing of a tenant's, by tool, and why.
// Booleans and choices of a few words cannot, and are on no list.
var plain = map[string]string{
	"activity.list tool":            "a tool, of which all have the same",
	"apps.create base_directory":    inTheRepo,
	"apps.create branch":            inTheRepo,
	"apps.create description":       forPeople,
	"apps.create dockerfile":        inTheRepo,
	"apps.create env":               variables,
	"apps.create health_check":      pageOfTheApp,
	"apps.create publish_directory": inTheRepo,
	"apps.logs contains":            searched,
	"apps.update base_directory":    inTheRepo,
	"apps.update branch":            inTheRepo,
	"apps.update description":       forPeople,
	"apps.update dockerfile":        inTheRepo,
	"apps.update health_check":      pageOfTheApp,
	"apps.update publish_directory": inTheRepo,
	"databases.create env_key":      variables,
	"deployments.logs contains":     searched,
	"envs.delete keys":              variables,
	"envs.upsert set":               variables,
	"projects.create description":   forPeople,
}

// properties returns what a tool takes, without what can name nothing: booleans, and
// choices of a few words.
func (s *server) properties(t testing.TB, tool mcp.Tool) []mcp.Param {
	t.Helper()
	params, ok := s.registry.Params(tool.Name)
	if !ok {
		t.Fatalf("no tool %s", tool.Name)
	}
	return slices.DeleteFunc(params, func(p mcp.Param) bool {
		choice := slices.ContainsFunc(p.Limits, func(l string) bool { return strings.Contains(l, " or ") })
		return p.Type == "boolean" || choice
	})
}

// valueOf is an id in the form that a property takes.
func valueOf(p mcp.Param, id string) any {
	if p.Type == "array" {
		return []string{id}
	}
	return id
}

// well reports whether an answer, of any door, is of a tool that did what it was
// asked for.
func well(answer string) bool {
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	last := strings.TrimPrefix(lines[len(lines)-1], "data: ") // of a stream, the last message
	var m struct {
		Code   tenancy.Code
		Result *struct{ IsError bool }
		Error  json.RawMessage
	}
	if !strings.HasPrefix(last, "{") || json.Unmarshal([]byte(last), &m) != nil {
		return false
	}
	return m.Code == "" && m.Error == nil && (m.Result == nil || !m.Result.IsError)
}

// A tally has, by tool, "" if it has answered well, and else what it answered last.
type tally map[string]string

func (y tally) count(tool, answer string) {
	before, called := y[tool]
	switch {
	case called && before == "":
	case well(answer):
		y[tool] = ""
	default:
		y[tool] = answer
	}
}

// checkAll fails the test for each tool of the registry that has not answered well: so
// nothing is known of what it shows.
func (y tally) checkAll(t *testing.T, r *mcp.Registry) {
	t.Helper()
	for _, tool := range r.Tools() {
		if answer, called := y[tool.Name]; !called || answer != "" {
			t.Errorf("%s has never answered well here; called = %v: %.500s", tool.Name, called, answer)
		}
	}
}
