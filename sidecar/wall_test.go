package sidecar_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

var malformed = []string{"../applications", "a,b", "x?uuid=y", "%2e%2e", "\x00", "\u202e", strings.Repeat("a", 255), "*", " "}

// TestWall calls every tool as every kind of principal of A, through every door,
// with every kind of id of B's, and expects what nobody's id gives: the same
// bytes, after the same requests, none of which changes anything.
func TestWall(t *testing.T) {
	s := newServer(t, tenancytest.Config{Premises: appsDomain})
	s.addShops(t)
	s.Sim.AddDeployment(s.B.Web.UUID, coolifytest.Deployment{Status: coolifytest.Finished, Commit: commitOfB})
	cursors := s.cursorsOf(t, s.B)
	envsOfB, buildsOfB, onGiteaOfB, dataOfB := s.Sim.Envs(s.B.Web.UUID), s.Sim.Deployments(s.B.Web.UUID), s.giteaOf(s.B), s.databasesOf(s.B)
	for _, door := range s.doors(t, s.A) {
		door.call(t, toolNamed(t, s.registry, "apps.get"), map[string]any{"app": nobody}) // the first miss looks the environments up
		for _, tool := range s.registry.Tools() {
			t.Run(door.name+"/"+tool.Name, func(t *testing.T) {
				args, ok := probesOf(s.A)[tool.Name]
				if !ok {
					t.Fatalf("%s has no probe", tool.Name)
				}
				if door.rights.Has(tool.Needs) {
					args = s.valid(t, s.A, tool.Name)
				}
				if tool.Name == "gitea.credentials" && strings.HasPrefix(door.name, "session/") {
					args = map[string]any{} // a session is shown no token
				}
				s.checkOwn(t, door, tool, args)
				if tool.Name == "projects.get" {
					s.checkOwn(t, door, tool, map[string]any{"project": shopOf(s.A)})
				}
				s.checkForeign(t, door, tool, cursors)
			})
		}
	}
	if diff := cmp.Diff(envsOfB, s.Sim.Envs(s.B.Web.UUID)); diff != "" {
		t.Errorf("B's variables changed (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(buildsOfB, s.Sim.Deployments(s.B.Web.UUID)); diff != "" {
		t.Errorf("B's deployments changed (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(dataOfB, s.databasesOf(s.B)); diff != "" {
		t.Errorf("B's databases changed (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(onGiteaOfB, s.giteaOf(s.B), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what B has on Gitea changed (-before +after)\n%s", diff)
	}
	s.Fine(t)
}

// databasesOf are the databases in a tenant's project.
func (s *server) databasesOf(x *tenancytest.Tenant) []coolifytest.Database {
	return slices.DeleteFunc(s.Sim.Databases(), func(d coolifytest.Database) bool { return d.EnvironmentUUID != x.Project.Environments[0].UUID })
}

// giteaOf is what a tenant has on Gitea.
func (s *server) giteaOf(x *tenancytest.Tenant) giteatest.State {
	all := s.Git.Snapshot()
	return giteatest.State{
		Users:  slices.DeleteFunc(all.Users, func(u giteatest.User) bool { return u.Login != x.GiteaBot }),
		Orgs:   slices.DeleteFunc(all.Orgs, func(o giteatest.Org) bool { return o.Name != x.GiteaOrg }),
		Tokens: slices.DeleteFunc(all.Tokens, func(k giteatest.Token) bool { return k.User != x.GiteaBot }),
		Repos:  slices.DeleteFunc(all.Repos, func(r giteatest.Repo) bool { return r.Owner != x.GiteaOrg }),
	}
}

// forget forgets the requests so far.
func (s *server) forget() {
	s.Sim.Reset()
	s.Git.Reset()
}

// caused returns the requests that calls caused: all but the look at running
// deployments, which goes on by itself while anybody waits.
func (s *server) caused() []string {
	ops := slices.DeleteFunc(s.Requests(), func(op string) bool { return op == "GET /deployments" })
	for _, r := range s.Git.Requests() {
		ops = append(ops, r.Operation)
	}
	return ops
}

// checkOwn calls a tool with A's own things: it does what it is asked for, unless the
// right is lacking, and B is not seen.
func (s *server) checkOwn(t *testing.T, d door, tool mcp.Tool, args map[string]any) {
	t.Helper()
	answer := d.call(t, tool, args)
	if answer == "" || (strings.Contains(answer, s.B.Canary) && tool.Name != "activity.list") {
		t.Errorf("own call: %s", answer)
	}
	if may := d.rights.Has(tool.Needs); well(answer) != may || !may && !strings.Contains(answer, "this needs the right") {
		t.Errorf("own call with %v, by who may = %v: %s", args, may, answer)
	}
}

// checkForeign calls a tool with whatever is not A's in each property that names
// something, one at a time.
func (s *server) checkForeign(t *testing.T, d door, tool mcp.Tool, cursors map[string]string) {
	t.Helper()
	ids, narrow, args := twins(s.B), filters(s.B), probesOf(s.A)[tool.Name]
	for _, p := range s.properties(t, tool) {
		pairs := ids[p.Name]
		if p.Name == "cursor" {
			pairs = [][2]string{{cursors[tool.Name], "made-up"}}
		}
		for _, pair := range pairs {
			s.checkTwins(t, d, tool, args, p, pair)
		}
		if alone := s.withoutOthers(t, tool, args, p); len(pairs) > 0 && len(alone) < len(args) {
			s.checkTwins(t, d, tool, alone, p, pairs[0])
		}
		filter, narrows := narrow[p.Name]
		if narrows {
			s.checkFilter(t, d, tool, args, p, filter)
		}
		for _, id := range malformed {
			if narrows || len(pairs) > 0 {
				s.checkMalformed(t, d, tool, with(args, p.Name, valueOf(p, id)))
			}
		}
	}
}

// withoutOthers leaves out of the arguments what may be left out and names something
// else than a property does: it can hide that the property is trusted.
func (s *server) withoutOthers(t *testing.T, tool mcp.Tool, args map[string]any, p mcp.Param) map[string]any {
	t.Helper()
	alone := maps.Clone(args)
	for _, other := range s.properties(t, tool) {
		if _, names := twins(s.B)[other.Name]; names && other.Name != p.Name && !slices.Contains(other.Limits, "required") {
			delete(alone, other.Name)
		}
	}
	return alone
}

// pairOf calls a tool with each id of a pair, and returns what it answers and what it
// asks of others.
func (s *server) pairOf(
	t *testing.T, d door, tool mcp.Tool, args map[string]any, p mcp.Param, pair [2]string,
) (answers [2]string, requests [2][]string) {
	t.Helper()
	for i, id := range pair {
		s.forget()
		answers[i] = d.call(t, tool, with(args, p.Name, valueOf(p, id)))
		requests[i] = s.caused()
	}
	return answers, requests
}

// proof is what proves a domain, which the answer tells. It is another for each name.
var proof = regexp.MustCompile(`vibn-domain=[0-9a-f]{32}`)

func (s *server) checkTwins(t *testing.T, d door, tool mcp.Tool, args map[string]any, p mcp.Param, pair [2]string) {
	t.Helper()
	answers, requests := s.pairOf(t, d, tool, args, p, pair)
	if p.Name == "domain" { // the answer repeats it
		for i, id := range pair {
			answers[i] = proof.ReplaceAllString(strings.ReplaceAll(answers[i], id, "DOMAIN"), "PROOF")
		}
	}
	ref := p.Name
	if answers[0] != answers[1] {
		t.Errorf("%s=%q is told from nobody's (-theirs +nobody's)\n%s", ref, pair[0], cmp.Diff(answers[0], answers[1]))
	}
	if !slices.Equal(requests[0], requests[1]) {
		t.Errorf("%s=%q asks %v, nobody's asks %v", ref, pair[0], requests[0], requests[1])
	}
	if w := writes(requests[0]); len(w) > 0 {
		t.Errorf("%s=%q wrote: %v", ref, pair[0], w)
	}
	if strings.Contains(answers[0], s.B.Canary) || strings.Contains(answers[0], s.B.Slug) {
		t.Errorf("%s=%q: the answer names B: %s", ref, pair[0], answers[0])
	}
	// A domain is not proved, and what is confirmed is not the name of A's own thing.
	conflict := (ref == "confirm" || ref == "domain") && isCode(answers[0], tenancy.Conflict)
	if !isFailure(answers[0]) && !conflict {
		t.Errorf("%s=%q: not refused: %s", ref, pair[0], answers[0])
	}
}

// emptyList is one in JSON, or in JSON in JSON.
var emptyList = regexp.MustCompile(`\\?"entries\\?":\[\]`)

// checkFilter narrows a list to what is B's: nothing is left, as of what is nobody's.
func (s *server) checkFilter(t *testing.T, d door, tool mcp.Tool, args map[string]any, p mcp.Param, pair [2]string) {
	t.Helper()
	answers, requests := s.pairOf(t, d, tool, args, p, pair)
	if answers[0] != answers[1] || !slices.Equal(requests[0], requests[1]) || len(writes(requests[0])) > 0 {
		t.Errorf("%s=%q: %s after %v\nnobody's: %s after %v", p.Name, pair[0], answers[0], requests[0], answers[1], requests[1])
	}
	if !well(answers[0]) || !emptyList.MatchString(answers[0]) {
		t.Errorf("%s=%q: want an empty list: %s", p.Name, pair[0], answers[0])
	}
}

func (s *server) checkMalformed(t *testing.T, d door, tool mcp.Tool, args map[string]any) {
	t.Helper()
	s.forget()
	answer := d.call(t, tool, args)
	if w := writes(s.caused()); len(w) > 0 || strings.Contains(answer, s.B.Canary) || strings.Contains(answer, `"internal"`) {
		t.Errorf("%v: wrote %v, answered %s", args, w, answer)
	}
}

// isFailure reports whether an answer, of any door, is an error with a code.
func isFailure(answer string) bool {
	for _, code := range []tenancy.Code{tenancy.NotFound, tenancy.Forbidden, tenancy.Invalid} {
		if isCode(answer, code) {
			return true
		}
	}
	return false
}

// isCode reports whether an answer, of any door, is an error with this code.
func isCode(answer string, code tenancy.Code) bool {
	return strings.Contains(answer, `"code":"`+string(code)+`"`) || strings.Contains(answer, `\"code\":\"`+string(code)+`\"`)
}

func toolNamed(t testing.TB, r *mcp.Registry, name string) mcp.Tool {
	t.Helper()
	for _, tool := range r.Tools() {
		if tool.Name == name {
			return tool
		}
	}
	t.Fatalf("no tool %s", name)
	return mcp.Tool{}
}

// TestWallSlug has A claim B's slug, which is as nobody's.
func TestWallSlug(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, tool := range s.registry.Tools() {
		theirs := s.overREST(t, tool, s.B.Slug, s.A.Key, probesOf(s.B)[tool.Name])
		none := s.overREST(t, tool, "nobody", s.A.Key, probesOf(s.B)[tool.Name])
		if theirs != none || !strings.Contains(theirs, `"not_found"`) {
			t.Errorf("%s: slug of B: %s\nslug of nobody: %s", tool.Name, theirs, none)
		}
	}
	for _, slug := range []string{s.B.Slug, "nobody"} {
		if _, got := s.send(t, "POST", "/api/workspaces/"+slug+"/provision", s.A.Key, ""); !strings.Contains(got, `"no such workspace"`) {
			t.Errorf("provision of %s: %s", slug, got)
		}
	}
	if ops := s.caused(); len(ops) > 0 {
		t.Errorf("Coolify or Gitea was asked: %v", ops)
	}
}

// TestWallNames has A create projects with the names of B's: they are A's own, and
// whether B has one of that name does not show.
func TestWallNames(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	s.addShops(t)
	before := s.giteaOf(s.B)
	create := toolNamed(t, s.registry, "projects.create")
	var answers [2]string
	var requests [2][]string
	for i, name := range []string{shopOf(s.B), "shop-of-nobody"} {
		s.forget()
		answers[i] = strings.ReplaceAll(s.overREST(t, create, s.A.Slug, s.A.Key, map[string]any{"name": name}), name, "NAME")
		requests[i] = s.caused()
	}
	if answers[0] != answers[1] || !strings.Contains(answers[0], `"project":"`+s.A.GiteaOrg+`/NAME"`) || !slices.Equal(requests[0], requests[1]) {
		t.Errorf("a project of B's name: %s %v\nof nobody's: %s %v", answers[0], requests[0], answers[1], requests[1])
	}
	if diff := cmp.Diff(before, s.giteaOf(s.B), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what B has on Gitea changed (-before +after)\n%s", diff)
	}
	got := s.overREST(t, toolNamed(t, s.registry, "projects.get"), s.A.Slug, s.A.Key, map[string]any{"project": shopOf(s.B)})
	if !strings.Contains(got, `"project":"`+s.A.GiteaOrg+`/shop-canary-beta"`) || strings.Contains(got, "commit of canary-beta") || strings.Contains(got, "vibn-beta") {
		t.Errorf("A's project of that name: %s", got)
	}
}

// TestWallDatabaseNames has A create a database of the name that one of B's has:
// it is A's own, and whether B has one does not show.
func TestWallDatabaseNames(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	create, before := toolNamed(t, s.registry, "databases.create"), s.databasesOf(s.B)
	s.overREST(t, toolNamed(t, s.registry, "workspace.describe"), s.A.Slug, s.A.Key, map[string]any{}) // looks the environments up
	var requests [2][]string
	for i, name := range []string{s.B.Data.Name, "data-of-nobody"} {
		s.forget()
		answer := s.overREST(t, create, s.A.Slug, s.A.Key, map[string]any{"name": name, "engine": "postgresql"})
		if requests[i] = s.caused(); !strings.Contains(answer, `"created":true`) || strings.Contains(answer, s.B.Data.UUID) {
			t.Errorf("a database called %s: %s", name, answer)
		}
	}
	if !slices.Equal(requests[0], requests[1]) {
		t.Errorf("a database of B's name: %v; of nobody's: %v", requests[0], requests[1])
	}
	if diff := cmp.Diff(before, s.databasesOf(s.B)); diff != "" || len(s.databasesOf(s.A)) != 3 {
		t.Errorf("B's databases changed (-before +after)\n%s\nor A has not three: %v", diff, s.databasesOf(s.A))
	}
}

// TestWallTokens takes what A is given to Gitea itself: it opens A's repositories,
// and B's are as nobody's.
func TestWallTokens(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	s.addShops(t)
	c, err := repository.Credentials(t.Context(), s.Open(t, s.A.Key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.GitURL+"/api/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(c.Username, c.Token.Reveal())
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(raw)
	}
	if status, body := get("/repos/" + s.A.GiteaOrg + "/" + shopOf(s.A)); status != 200 {
		t.Errorf("A's own: %d %s", status, body)
	}
	for _, pair := range [][2]string{
		{"/repos/" + s.B.GiteaOrg + "/" + shopOf(s.B), "/repos/vibn-nobody/nothing"},
		{"/repos/" + s.B.GiteaOrg + "/" + shopOf(s.B) + "/branches/main", "/repos/vibn-nobody/nothing/branches/main"},
		{"/orgs/" + s.B.GiteaOrg + "/repos", "/orgs/vibn-nobody/repos"},
		{"/users/" + s.B.GiteaBot + "/tokens", "/users/vibn-bot-nobody/tokens"},
	} {
		theirs, body := get(pair[0])
		none, _ := get(pair[1])
		if theirs != none || theirs == 200 || strings.Contains(body, s.B.Canary) {
			t.Errorf("GET %s: %d %s; nobody's: %d", pair[0], theirs, body, none)
		}
	}
	if status, body := get("/repos/search?limit=50"); status != 200 || strings.Contains(body, s.B.Canary) || !strings.Contains(body, s.A.Canary) {
		t.Errorf("a search: %d %s", status, body)
	}
}

// cursorsOf returns a cursor of a tenant's for each tool that takes one.
func (s *server) cursorsOf(t testing.TB, x *tenancytest.Tenant) map[string]string {
	t.Helper()
	for range 2 { // so that the audit trail has two entries
		s.overREST(t, toolNamed(t, s.registry, "envs.upsert"), x.Slug, x.Key, with(probesOf(x)["envs.upsert"], "app", x.API.UUID))
	}
	log := []coolifytest.LogLine{{Output: "one"}, {Output: "two"}}
	done := s.Sim.AddDeployment(x.Web.UUID, coolifytest.Deployment{Status: coolifytest.Finished, Logs: log})
	cursors := map[string]string{}
	for _, tool := range s.registry.Tools() {
		args := map[string]any{}
		for _, p := range s.properties(t, tool) {
			switch p.Name {
			case "limit", "lines":
				args[p.Name] = 1
			case "deployment":
				args[p.Name] = done.UUID
			case "app":
				args[p.Name] = x.Web.UUID
			case "cursor":
				cursors[tool.Name] = ""
			}
		}
		if _, pages := cursors[tool.Name]; !pages {
			continue
		}
		answer := s.overREST(t, tool, x.Slug, x.Key, args)
		var page struct {
			Cursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(answer[strings.Index(answer, "{"):]), &page); err != nil || page.Cursor == "" {
			t.Fatalf("%s: no cursor in %s (%v)", tool.Name, answer, err)
		}
		cursors[tool.Name] = page.Cursor
	}
	return cursors
}

// TestWallCursor gives A a cursor of B's, of each tool to each, which is as a made-up
// one. So is one of A's own of another tool.
func TestWallCursor(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	cursors := s.cursorsOf(t, s.B)
	if len(cursors) < 5 {
		t.Errorf("cursors of %d tools: %v", len(cursors), cursors)
	}
	own := s.cursorsOf(t, s.A)
	for tool := range cursors {
		args := probesOf(s.A)[tool]
		made := s.overREST(t, toolNamed(t, s.registry, tool), s.A.Slug, s.A.Key, with(args, "cursor", "made-up"))
		for from, cursor := range cursors {
			got := s.overREST(t, toolNamed(t, s.registry, tool), s.A.Slug, s.A.Key, with(args, "cursor", cursor))
			if got != made || !strings.Contains(got, `"invalid"`) {
				t.Errorf("%s with B's cursor of %s: %s, want as for a made-up one: %s", tool, from, got, made)
			}
			got = s.overREST(t, toolNamed(t, s.registry, tool), s.A.Slug, s.A.Key, with(args, "cursor", own[from]))
			if from != tool && got != made {
				t.Errorf("%s with A's own cursor of %s: %s, want as for a made-up one: %s", tool, from, got, made)
			}
		}
	}
}

// TestWallActivity has B act; A's audit trail shows nothing of it.
func TestWallActivity(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, x := range []*tenancytest.Tenant{s.A, s.B} {
		for _, tool := range []string{"envs.upsert", "projects.create", "gitea.credentials"} {
			s.overREST(t, toolNamed(t, s.registry, tool), x.Slug, x.Key, probesOf(x)[tool])
		}
		if _, got := s.send(t, "POST", "/api/workspaces/"+x.Slug+"/provision", x.Key, ""); !strings.Contains(got, `"ready"`) {
			t.Errorf("provision: %s", got)
		}
	}
	answer := s.overREST(t, toolNamed(t, s.registry, "activity.list"), s.A.Slug, s.A.Key, map[string]any{})
	for _, want := range []string{s.A.Web.UUID, `"projects.create"`, `"` + s.A.GiteaOrg + `/made-canary-alpha"`, `"gitea.credentials"`, `"workspace.provision"`} {
		if !strings.Contains(answer, want) {
			t.Errorf("A's activity lacks %s: %s", want, answer)
		}
	}
	if strings.Contains(answer, s.B.Web.UUID) || strings.Contains(answer, s.B.KeyID) || strings.Contains(answer, s.B.Canary) {
		t.Errorf("A's activity: %s", answer)
	}
}

// TestWallSameIDs has two tenants call at the same time with the same JSON-RPC
// id and progress token; nobody gets the other's answer.
func TestWallSameIDs(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	call := func(tool, arg, id string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":{%q:%q},"_meta":{"progressToken":"t"}}}`, tool, arg, id)
	}
	var wg sync.WaitGroup
	for i, x := range []*tenancytest.Tenant{s.A, s.B} {
		other := []*tenancytest.Tenant{s.B, s.A}[i]
		for range 8 {
			wg.Go(func() {
				for _, body := range []string{
					`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
					call("apps_get", "app", x.Web.UUID),
					call("deployments_wait", "deployment", x.Done.UUID),
					call("apps_logs", "app", x.Web.UUID),
				} {
					_, answer := s.send(t, "POST", "/mcp", x.Key, body)
					if strings.Contains(answer, other.Canary) || (strings.Contains(body, "apps_") && !strings.Contains(answer, x.Canary)) {
						t.Errorf("%s called %s and got %s", x.Slug, body, answer)
					}
				}
			})
		}
	}
	wg.Wait()
}
