package tenancy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A giteaTrouble is a fault of Gitea's and what a tenant is told of it. Whatever
// Gitea refuses, no value of the tenant's is to blame.
type giteaTrouble struct {
	name        string
	fault       giteatest.Fault
	read, write failure
}

func giteaSays(status int, body string, header ...string) giteatest.Fault {
	f := giteatest.Fault{Status: status, Body: strings.ReplaceAll(body, "$", said), Header: http.Header{"X-Reason": {said}}}
	for i := 0; i < len(header); i += 2 {
		f.Header.Set(header[i], header[i+1])
	}
	return f
}

var (
	operatorOnly = failure{tenancy.Unavailable, false}
	soon         = failure{tenancy.Unavailable, true}
	late         = failure{tenancy.Timeout, true}
	tooMany      = failure{tenancy.RateLimited, true}
)

var giteaTroubles = []giteaTrouble{
	{"401", giteaSays(401, `{"message":"$ token is required"}`), operatorOnly, operatorOnly},
	{"403", giteaSays(403, `{"message":"$ forbidden"}`), operatorOnly, operatorOnly},
	{"403 scope", giteaSays(403, `{"message":"token does not have at least one of required scope(s): [$]"}`), operatorOnly, operatorOnly},
	{"404 thing", giteaSays(404, `{"message":"$ not found","errors":null}`), operatorOnly, operatorOnly},
	{"404 route", giteaSays(404, "404 page not found\n", "Content-Type", "text/plain"), operatorOnly, operatorOnly},
	{"404 proxy", giteaSays(404, `<h1>$</h1>`, "Content-Type", "text/html"), soon, soon},
	{"405", giteaSays(405, `{"message":"$"}`), operatorOnly, operatorOnly},
	{"409", giteaSays(409, `{"message":"$ exists"}`), operatorOnly, operatorOnly},
	{"422", giteaSays(422, `{"message":"$ exists [$]"}`), operatorOnly, operatorOnly},
	{"429", giteaSays(429, `{"message":"$"}`), tooMany, tooMany},
	{"500", giteaSays(500, `{"message":"","url":"$"}`), soon, late},
	{"502 page", giteaSays(502, `<html>$</html>`, "Content-Type", "text/html"), soon, late},
	{"301", giteaSays(301, `$`, "Location", "https://"+said+".example.org/"), operatorOnly, operatorOnly},
	{"hang", giteatest.Fault{Hang: true}, late, late},
	{"drop", giteatest.Fault{Drop: true}, soon, late},
	{"cut", giteatest.Fault{Cut: true}, soon, late},
	{"page", giteaSays(200, `<html>$</html>`, "Content-Type", "text/html"), soon, late},
	{"null", giteaSays(200, `null`), soon, late},
	{"empty thing", giteaSays(200, `{}`), soon, late},
	{"nothing", giteaSays(200, ``), soon, late},
	{"done, then 500", giteatest.Fault{After: true, Status: 500, Body: said}, soon, late},
	{"done, then silence", giteatest.Fault{After: true, Hang: true}, late, late},
	{"done, then gone", giteatest.Fault{After: true, Drop: true}, soon, late},
}

// A giteaTrial is a tool that asks Gitea, as it is tried.
type giteaTrial struct {
	name, tool string
	// prepare makes what one try needs, the n-th, and returns key and arguments.
	prepare func(t *testing.T, h *tenancytest.House, n int) (key string, args map[string]any)
	except  map[string]failure // what is told instead, by trouble (* = any) and operation
	ops     []string           // of Gitea's; what the tool asks for when nothing fails
}

// The operations that tokens and repositories take. Before 1.27 there is no
// opOwner: to the simulator it is unknown.
const (
	opUser     = "GET /users/{username}"
	opPassword = "PATCH /admin/users/{username}"
	opMint     = "POST /users/{username}/tokens"
	opTokens   = "GET /users/{username}/tokens"
	opOwner    = "GET /token"
	opSearch   = "GET /repos/search"
	opRepo     = "GET /repos/{owner}/{repo}"
	opBranch   = "GET /repos/{owner}/{repo}/branches/{branch}"
	opCreate   = "POST /orgs/{org}/repos"
	opUpdate   = "PATCH /repos/{owner}/{repo}"
	opFile     = "POST /repos/{owner}/{repo}/contents/{filepath}"
	opKeys     = "GET /repos/{owner}/{repo}/keys"
	opAddKey   = "POST /repos/{owner}/{repo}/keys"
)

// newKey is a key that has no token yet.
func newKey(t *testing.T, h *tenancytest.House, _ int) (string, map[string]any) {
	key, _ := h.AddKey(t, h.A, "builder", 0)
	return key, map[string]any{"reveal": true}
}

var giteaTrials = []giteaTrial{
	{
		name: "where", tool: "gitea.credentials",
		prepare: func(_ *testing.T, h *tenancytest.House, _ int) (string, map[string]any) {
			return h.A.Key, map[string]any{}
		},
	},
	{
		name: "first token", tool: "gitea.credentials", prepare: newKey, ops: []string{opOwner, opUser, opTokens, opPassword, opMint},
		except: map[string]failure{
			"404 thing " + opOwner: {}, "404 route " + opOwner: {}, "405 " + opOwner: {}, // older than the route
		},
	},
	{
		name: "token again", tool: "gitea.credentials", ops: []string{opSearch},
		prepare: func(t *testing.T, h *tenancytest.House, n int) (string, map[string]any) {
			key, args := newKey(t, h, n)
			if _, err := repository.Credentials(t.Context(), h.Open(t, key, tenancy.Git), true); err != nil {
				t.Fatal(err)
			}
			return key, args
		},
		except: map[string]failure{"401 " + opSearch: {}}, // it is dead, so there is a new one
	},
	{
		name: "new", tool: "projects.create", ops: []string{opRepo, opUpdate, opCreate, opFile},
		prepare: func(_ *testing.T, h *tenancytest.House, n int) (string, map[string]any) {
			return h.A.Key, map[string]any{"name": fmt.Sprintf("project-%d", n), "description": "for people"}
		},
		except: map[string]failure{ // a look tells that it is there
			"done, then 500 " + opCreate: {}, "done, then silence " + opCreate: {}, "done, then gone " + opCreate: {}, "cut " + opCreate: {},
			"done, then 500 " + opFile: {}, "done, then silence " + opFile: {}, "done, then gone " + opFile: {}, "cut " + opFile: {},
		},
	},
	{
		name: "one", tool: "projects.get", ops: []string{opRepo, opBranch},
		prepare: func(t *testing.T, h *tenancytest.House, n int) (string, map[string]any) {
			if n == 1 {
				h.AddRepository(t, h.A, "site")
				h.AddRepository(t, h.B, "theirs")
			}
			return h.A.Key, map[string]any{"project": "site"}
		},
		except: map[string]failure{ // it has no such branch, so no commit; and a repository is found by its id
			"404 thing " + opBranch: {}, "404 thing " + opRepo: {}, "301 " + opRepo: {},
		},
	},
	{
		name: "new", tool: "apps.create", ops: []string{opRepo, opBranch, opKeys, opAddKey},
		prepare: func(t *testing.T, h *tenancytest.House, n int) (string, map[string]any) {
			must(t, h.Operator.SetPlan(t.Context(), h.A.Workspace, tenancy.Plan{Apps: 1000}))
			name := fmt.Sprintf("site-%d", n)
			h.AddRepository(t, h.A, name)
			return h.A.Key, map[string]any{"project": name, "build": "static"}
		},
		except: map[string]failure{ // the default branch is gone; and a look tells that the key is there
			"404 thing " + opBranch: {code: tenancy.NotFound}, "404 thing " + opRepo: {}, "301 " + opRepo: {},
			"done, then 500 " + opAddKey: {}, "done, then silence " + opAddKey: {}, "done, then gone " + opAddKey: {}, "cut " + opAddKey: {},
		},
	},
}

// TestGiteaFaults lets each operation of Gitea's that a tool uses fail in each way.
// The tenant is told what it may know, a second try comes to what the first was
// meant to, and nothing is there twice.
func TestGiteaFaults(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []giteatest.Behaviour{giteatest.V126, giteatest.V127} {
		for _, tr := range giteaTrials {
			t.Run(fmt.Sprintf("%s %s %s", behaviour, tr.tool, tr.name), func(t *testing.T) {
				t.Parallel()
				w := world{sim: coolifytest.Config{RateLimit: -1}, budget: tenancytest.Unlimited(), gitea: &giteatest.Config{Behaviour: behaviour}}
				inBubble(t, w, func(t *testing.T, h *tenancytest.House) {
					f := &giteaFaults{House: h, giteaTrial: tr, behaviour: behaviour, registry: mcp.New(h.Logger)}
					f.try(t)
					f.checkLog(t)
				})
			})
		}
	}
}

type giteaFaults struct {
	*tenancytest.House
	giteaTrial
	behaviour giteatest.Behaviour
	registry  *mcp.Registry
	n         int
}

// try tries the tool without a fault and with each.
func (f *giteaFaults) try(t *testing.T) {
	theirs := f.of(f.B)
	if err := f.call(t, f.next(t)); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	ops := f.asked()
	if i := slices.Index(ops, "unknown"); i >= 0 {
		ops[i] = opOwner
		slices.Sort(ops)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(f.ops)), ops, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("what is asked of Gitea (-want +got)\n%s", diff)
	}
	if f.n == 1 && f.tool == "projects.get" {
		theirs = f.of(f.B) // it has a repository now
	}
	for _, op := range ops {
		if op == opOwner && f.behaviour != giteatest.V127 {
			continue
		}
		for _, x := range giteaTroubles {
			f.own(t, op, x)
		}
		f.settle(t)
	}
	if diff := cmp.Diff(theirs, f.of(f.B), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what B has on Gitea changed (-before +after)\n%s", diff)
	}
}

// A tryOf is one call, to be made again as it is.
type tryOf struct {
	key  string
	args map[string]any
}

func (f *giteaFaults) next(t *testing.T) tryOf {
	f.n++
	if strings.HasSuffix(f.tool, ".create") && f.n%50 == 0 { // a workspace has only so many projects
		f.A = f.AddTenant(t, fmt.Sprint("alpha-", f.n), "")
	}
	key, args := f.prepare(t, f.House, f.n)
	f.Git.Reset()
	return tryOf{key, args}
}

func (f *giteaFaults) call(t *testing.T, c tryOf) error {
	t.Helper()
	raw, err := json.Marshal(c.args)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Guard.OpenKey(t.Context(), c.key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.registry.Call(t.Context(), s, mcp.Request{Tool: f.tool, Args: raw})
	return err
}

// asked returns the operations that Gitea was asked for.
func (f *giteaFaults) asked() []string {
	var ops []string
	for _, r := range f.Git.Requests() {
		ops = append(ops, r.Operation)
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// own makes a call while an operation fails, and again when it does not.
func (f *giteaFaults) own(t *testing.T, op string, x giteaTrouble) {
	t.Helper()
	name := x.name + " " + op
	c := f.next(t)
	before := f.of(f.A)
	f.Git.Fail(op, x.fault)
	err := f.call(t, c)
	f.Git.Clear(op)
	f.checkTold(t, name, err, f.want(op, x))
	f.checkOnce(t, name, before)
	if err := f.call(t, c); err != nil {
		t.Errorf("%s: the second try: %v", name, err)
	}
	f.checkOnce(t, name+", twice", before)
}

func (f *giteaFaults) want(op string, x giteaTrouble) failure {
	if v, ok := f.except[x.name+" "+op]; ok {
		return v
	}
	if strings.HasPrefix(op, "GET ") {
		return x.read
	}
	return x.write
}

// checkTold looks at what a tenant is told.
func (f *giteaFaults) checkTold(t *testing.T, name string, err error, want failure) {
	t.Helper()
	if codeOf(err) != want.code {
		t.Errorf("%s: %v, want %q", name, err, want.code)
	}
	if err == nil {
		return
	}
	told := mcp.FailureOf(err)
	text := string(told.JSON())
	for _, secret := range append([]string{said, f.B.Canary, f.B.Slug, f.A.GiteaBot, "example.com", "example.org"}, f.Secrets...) {
		if strings.Contains(text, secret) {
			t.Errorf("%s: the tenant is told %s", name, text)
		}
	}
	if told.Message == "" || told.Hint == "" && told.RetryAfter == 0 || told.Retryable != want.retryable {
		t.Errorf("%s: %+v, want a message and a hint, retryable %v", name, told, want.retryable)
	}
}

// What a tenant has on Gitea.
type onGitea struct {
	Repos  []giteatest.Repo
	Tokens []giteatest.Token
}

func (f *giteaFaults) of(x *tenancytest.Tenant) onGitea {
	s := f.Git.Snapshot()
	return onGitea{
		slices.DeleteFunc(s.Repos, func(r giteatest.Repo) bool { return r.Owner != x.GiteaOrg }),
		slices.DeleteFunc(s.Tokens, func(k giteatest.Token) bool { return k.User != x.GiteaBot }),
	}
}

// checkOnce: however often the calls failed, one thing was made. A token more than
// that is one whose secret nobody knows, and is on record as one that is to end.
func (f *giteaFaults) checkOnce(t *testing.T, name string, before onGitea) {
	t.Helper()
	now := f.of(f.A)
	if n := len(now.Repos) - len(before.Repos); n > 1 {
		t.Errorf("%s: %d repositories were made", name, n)
	}
	ended, err := f.DB.EndedTokens(t.Context(), f.A.ID, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range f.strays(t, f.A) {
		if !slices.ContainsFunc(ended, func(b tenancy.BotToken) bool { return b.Name == k.Name }) {
			t.Errorf("%s: a token that nobody has is there, and not on record: %v", name, k)
		}
	}
}

// strays are the live tokens of a bot that are not recorded.
func (f *giteaFaults) strays(t *testing.T, x *tenancytest.Tenant) []giteatest.Token {
	t.Helper()
	p, err := f.DB.Provision(t.Context(), x.ID)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := f.DB.BotTokens(t.Context(), x.ID)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(f.of(x).Tokens, func(k giteatest.Token) bool {
		return int64(k.ID) == p.TokenID || slices.ContainsFunc(kept, func(b tenancy.BotToken) bool { return b.GiteaID == int64(k.ID) })
	})
}

// settle lets the job run: then each live token is one key's or the workspace's,
// and each repository is as it should be.
func (f *giteaFaults) settle(t *testing.T) {
	t.Helper()
	f.Provision(t, f.A)
	if strays := f.strays(t, f.A); len(strays) > 0 {
		t.Errorf("tokens that nobody has are left: %v", strays)
	}
	projects, err := f.DB.Projects(t.Context(), f.A.ID)
	if err != nil {
		t.Fatal(err)
	}
	repos := f.of(f.A).Repos
	if len(repos) != len(projects) {
		t.Errorf("%d repositories for %d projects", len(repos), len(projects))
	}
	for _, r := range repos {
		i := slices.IndexFunc(projects, func(p tenancy.Project) bool { return p.RepositoryID == int64(r.ID) })
		if i < 0 || projects[i].Description != r.Description || !r.Private || !r.NoActions || r.Heads["main"] == "" {
			t.Errorf("repository %+v of %+v", r, projects)
		}
	}
}

// checkLog: the log says what Gitea said, for the operator, and no secret.
func (f *giteaFaults) checkLog(t *testing.T) {
	t.Helper()
	log := f.Log.String()
	for _, secret := range f.Secrets {
		if strings.Contains(log, secret) {
			t.Error("a token of the platform's is in the log")
		}
	}
	if len(f.ops) > 0 && !strings.Contains(log, said) {
		t.Error("the log does not say what Gitea said")
	}
}

// TestGiteaFaultsTakeTime: who has to wait for Gitea hears of it in time, and a
// call that goes away leaves nothing that stops the next one.
func TestGiteaFaultsTakeTime(t *testing.T) {
	t.Parallel()
	inBubble(t, world{gitea: &giteatest.Config{}}, func(t *testing.T, h *tenancytest.House) {
		gate := make(chan struct{})
		h.Git.Fail(opMint, giteatest.Fault{Gate: gate, Times: 1})
		first := inBackground(t, h, h.A.Key)
		pass(settled)
		began := time.Now()
		if _, err := repository.Credentials(t.Context(), h.Open(t, h.A.Key, tenancy.Git), true); codeOf(err) != tenancy.Conflict || since(began) > 6*time.Second {
			t.Errorf("beside another call: %v after %v, want a conflict after some seconds", err, since(began))
		}
		if err := <-first; codeOf(err) != tenancy.Timeout {
			t.Errorf("the call that Gitea does not answer: %v", err)
		}
		close(gate)
		second := inBackground(t, h, h.A.Key)
		third := inBackground(t, h, h.A.Key)
		if err1, err2 := <-second, <-third; err1 != nil || err2 != nil {
			t.Errorf("two calls at once after that: %v, %v", err1, err2)
		}
		h.Provision(t, h.A)
		if n := len((&giteaFaults{House: h}).of(h.A).Tokens); n != 2 {
			t.Errorf("the bot has %d tokens, want the workspace's and the key's", n)
		}
	})
}

// inBackground asks for a token.
func inBackground(t *testing.T, h *tenancytest.House, key string) <-chan error {
	s := h.Open(t, key, tenancy.Git)
	ended := make(chan error, 1)
	go func() {
		_, err := repository.Credentials(t.Context(), s, true)
		ended <- err
	}()
	return ended
}
