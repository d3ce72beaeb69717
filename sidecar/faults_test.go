package sidecar_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestFaultsAtTheDoors: what a broken Coolify says reaches nobody, through a real
// connection and in no part of an answer. The tenancy package has the tools and
// operations one by one.
func TestFaultsAtTheDoors(t *testing.T) {
	const said = "said-by-coolify"
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request with %v went where Coolify redirected it", r.Header)
	}))
	t.Cleanup(elsewhere.Close)
	header := func(name, value string) http.Header { return http.Header{"X-Reason": {said}, name: {value}} }
	body := `{"message":"` + said + `","errors":{"` + said + `":["` + said + `"]}}`
	for name, tc := range map[string]struct {
		fault       coolifytest.Fault
		get, deploy tenancy.Code
		retryAfter  string
	}{
		"401":             {fault: coolifytest.Fault{Status: 401, Body: body, Header: header("WWW-Authenticate", said)}, get: tenancy.Unavailable, deploy: tenancy.Unavailable},
		"404":             {fault: coolifytest.Fault{Status: 404, Body: body}, get: tenancy.NotFound, deploy: tenancy.NotFound},
		"409":             {fault: coolifytest.Fault{Status: 409, Body: body}, get: tenancy.Conflict, deploy: tenancy.Conflict},
		"422":             {fault: coolifytest.Fault{Status: 422, Body: body}, get: tenancy.Invalid, deploy: tenancy.Invalid},
		"429":             {fault: coolifytest.Fault{Status: 429, Body: body, Header: header("Retry-After", "59")}, get: tenancy.RateLimited, deploy: tenancy.RateLimited, retryAfter: "59"},
		"500":             {fault: coolifytest.Fault{Status: 500, Body: body}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
		"redirect":        {fault: coolifytest.Fault{Status: 302, Body: said, Header: header("Location", elsewhere.URL)}, get: tenancy.Unavailable, deploy: tenancy.Unavailable, retryAfter: "5"},
		"kept redirect":   {fault: coolifytest.Fault{Status: 307, Body: said, Header: header("Location", elsewhere.URL)}, get: tenancy.Unavailable, deploy: tenancy.Unavailable, retryAfter: "5"},
		"cut":             {fault: coolifytest.Fault{Cut: true}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
		"cut error":       {fault: coolifytest.Fault{Status: 500, Body: body, Cut: true}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
		"page":            {fault: coolifytest.Fault{Status: 200, Body: "<html>" + said, Header: header("Content-Type", "text/html")}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
		"done, then 500":  {fault: coolifytest.Fault{After: true, Status: 500, Body: body}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
		"done, then cut":  {fault: coolifytest.Fault{After: true, Cut: true}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
		"done, then HTML": {fault: coolifytest.Fault{After: true, Status: 504, Body: "<html>" + said}, get: tenancy.Unavailable, deploy: tenancy.Timeout, retryAfter: "5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tenancytest.Config{})
			for _, call := range []struct {
				tool, op string
				want     tenancy.Code
			}{
				{"apps.get", "GET /applications/{uuid}", tc.get},
				{"apps.deploy", "POST /applications/{uuid}/start", tc.deploy},
			} {
				s.Sim.Fail(call.op, tc.fault)
				s.Sim.Reset()
				s.checkDoors(t, call.tool, call.want, said, elsewhere.URL)
				if n := len(writes(s.Requests())); n > 2 { // one for each door
					t.Errorf("%s: %d changes were sent, want one for each of two calls", call.tool, n)
				}
				s.Sim.Clear(call.op)
			}
			if got := s.retryAfter(t, tc.fault); got != tc.retryAfter {
				t.Errorf("Retry-After: %q, want %q", got, tc.retryAfter)
			}
		})
	}
}

// TestFaultsOfEveryTool: each tool answers well with A's own things. Where something
// that it asks of Coolify or Gitea goes wrong, the words of it reach no caller, and two
// minutes later it answers well again.
func TestFaultsOfEveryTool(t *testing.T) {
	const said = "said-by-a-server"
	body, header := `{"message":"`+said+`","errors":{"`+said+`":["`+said+`"]}}`, http.Header{"X-Reason": {said}}
	for _, tool := range mcp.New(slog.New(slog.DiscardHandler)).Tools() {
		t.Run(tool.Name, func(t *testing.T) {
			t.Parallel()
			s, _ := newOwner(t)
			coolify, gitea := s.needsOf(t, tool)
			failed := len(coolify)+len(gitea) == 0
			for _, op := range coolify {
				s, wait := newOwner(t) // that remembers nothing
				s.Sim.Fail(op, coolifytest.Fault{Status: 500, Body: body, Header: header})
				failed = s.checkSilent(t, tool, op, said) || failed
				s.Sim.Clear(op)
				wait()
				s.needsOf(t, tool)
			}
			for _, op := range gitea {
				s, wait := newOwner(t)
				s.Git.Fail(op, giteatest.Fault{Status: 500, Body: body, Header: header})
				failed = s.checkSilent(t, tool, op, said) || failed
				s.Git.Clear(op)
				wait()
				s.needsOf(t, tool)
			}
			if !failed {
				t.Errorf("whatever failed of %v and %v, it answered well", coolify, gitea)
			}
		})
	}
}

// newOwner is a server at which A's key has every right, with all that [server.valid]
// takes. wait moves its clock, so that a call that was cut off can be gone on with.
func newOwner(t *testing.T) (s *server, wait func()) {
	t.Helper()
	var waited atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(waited.Load())) }
	s = newServer(t, tenancytest.Config{Premises: appsDomain, Now: now})
	s.addShops(t)
	s.A.Key, s.A.KeyID = s.AddKey(t, s.A, "owner", 0)
	return s, func() { waited.Add(int64(2 * time.Minute)) }
}

// needsOf calls a tool with A's own things through two doors, which has to go well, and
// returns what it asks of Coolify and of Gitea.
func (s *server) needsOf(t *testing.T, tool mcp.Tool) (coolify, gitea []string) {
	t.Helper()
	for name, answer := range s.throughDoors(t, tool) {
		if !well(answer) {
			t.Errorf("%s with A's own things: %s", name, answer)
		}
	}
	coolify = slices.Compact(slices.Sorted(slices.Values(s.Requests())))
	for _, r := range s.Git.Requests() {
		gitea = append(gitea, r.Operation)
	}
	slices.Sort(gitea)
	return coolify, slices.Compact(gitea)
}

// throughDoors calls a tool with A's own things through two doors.
func (s *server) throughDoors(t *testing.T, tool mcp.Tool) map[string]string {
	t.Helper()
	rest, inMCP := s.valid(t, s.A, tool.Name), s.valid(t, s.A, tool.Name)
	s.forget()
	return map[string]string{
		"REST": s.overREST(t, tool, s.A.Slug, s.A.Key, rest), "MCP": s.overMCP(t, tool, s.A.Key, inMCP),
	}
}

// checkSilent calls a tool while something goes wrong, of which no caller hears the
// words, and reports whether a call failed.
func (s *server) checkSilent(t *testing.T, tool mcp.Tool, op, said string) (failed bool) {
	t.Helper()
	for name, answer := range s.throughDoors(t, tool) {
		for _, secret := range append([]string{said, s.B.Canary}, s.Secrets...) {
			if strings.Contains(answer, secret) {
				t.Errorf("%s while %s fails: %q is told: %s", name, op, secret, answer)
			}
		}
		failed = failed || !well(answer)
	}
	return failed
}

// checkDoors calls a tool with A's app through two doors.
func (s *server) checkDoors(t *testing.T, tool string, want tenancy.Code, secrets ...string) {
	t.Helper()
	args := map[string]any{"app": s.A.Web.UUID}
	method, path, body := twinOf(t, toolNamed(t, s.registry, tool), s.A.Slug, args)
	status, rest := s.send(t, method, path, s.A.Key, body)
	if status != want.HTTPStatus() || !strings.Contains(rest, `"code":"`+string(want)+`"`) {
		t.Errorf("%s over REST: %d %s, want %d %s", tool, status, rest, want.HTTPStatus(), want)
	}
	inMCP := s.overMCP(t, toolNamed(t, s.registry, tool), s.A.Key, args)
	if !strings.Contains(inMCP, `\"code\":\"`+string(want)+`\"`) || !strings.Contains(inMCP, `"isError":true`) {
		t.Errorf("%s over MCP: %s, want %s", tool, inMCP, want)
	}
	for _, secret := range append(secrets, s.Secrets...) {
		if strings.Contains(rest+inMCP, secret) {
			t.Errorf("%s: %q is told: %s %s", tool, secret, rest, inMCP)
		}
	}
}

// retryAfter returns the header that a fault of reading an app leads to.
func (s *server) retryAfter(t *testing.T, f coolifytest.Fault) string {
	t.Helper()
	s.Sim.Fail("GET /applications/{uuid}", f)
	defer s.Sim.Clear("GET /applications/{uuid}")
	return s.ask(t, question{path: "/api/workspaces/" + s.A.Slug + "/apps/" + s.A.Web.UUID, key: s.A.Key}).header.Get("Retry-After")
}

// TestHang: a Coolify that says nothing does not keep the caller for ever.
func TestHang(t *testing.T) {
	s := newServer(t, tenancytest.Config{Timeout: 50 * time.Millisecond})
	s.Sim.Fail("GET /applications/{uuid}", coolifytest.Fault{Hang: true})
	s.checkDoors(t, "apps.get", tenancy.Timeout)
	s.Sim.Clear("GET /applications/{uuid}")
	s.Sim.SlowSSH(make(chan struct{}))
	defer s.Sim.SlowSSH(nil)
	s.checkDoors(t, "apps.logs", tenancy.Timeout)
}

// A counter counts what is asked of the database.
type counter struct {
	tenancytest.Store
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) count(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[query]++
}

// counted returns what was asked since the last time.
func (c *counter) counted() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n
	c.n = map[string]int{}
	return n
}

func (c *counter) KeyByDigest(ctx context.Context, d tenancy.Digest) (tenancy.Key, tenancy.Workspace, error) {
	c.count("KeyByDigest")
	return c.Store.KeyByDigest(ctx, d)
}

func (c *counter) TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error {
	c.count("TouchKey")
	return c.Store.TouchKey(ctx, workspaceID, keyID, at)
}

func (c *counter) Workspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	c.count("Workspace")
	return c.Store.Workspace(ctx, slug)
}

func (c *counter) Membership(ctx context.Context, slug, user string) (tenancy.Workspace, tenancy.Role, error) {
	c.count("Membership")
	return c.Store.Membership(ctx, slug, user)
}

func (c *counter) StartAudit(ctx context.Context, e tenancy.AuditEntry) error {
	c.count("StartAudit")
	return c.Store.StartAudit(ctx, e)
}

func (c *counter) FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error {
	c.count("FinishAudit")
	return c.Store.FinishAudit(ctx, workspaceID, id, f)
}

// TestDeployCost holds what a deploy by uuid costs. On a shared host the app's
// variables are judged afresh each time, which is one request more.
func TestDeployCost(t *testing.T) {
	const app, environments, envs, start = "GET /applications/{uuid}", "GET /projects/{uuid}/environments", "GET /applications/{uuid}/envs", "POST /applications/{uuid}/start"
	for trust, want := range map[tenancy.Trust]struct{ cold, warm []string }{
		tenancy.Shared:    {[]string{app, environments, envs, start}, []string{app, envs, start}},
		tenancy.Dedicated: {[]string{app, environments, start}, []string{app, start}},
		tenancy.Trusted:   {[]string{app, environments, start}, []string{app, start}},
	} {
		for _, door := range []string{"mcp", "rest"} {
			t.Run(fmt.Sprint(trust, "/", door), func(t *testing.T) {
				t.Parallel()
				c := &counter{n: map[string]int{}}
				s := newServer(t, tenancytest.Config{Trust: trust, Wrap: func(inner tenancytest.Store) tenancytest.Store { c.Store = inner; return c }})
				queries := map[string]int{"KeyByDigest": 1, "TouchKey": 1, "StartAudit": 1, "FinishAudit": 1}
				for i, requests := range [][]string{want.cold, want.warm, want.warm} {
					s.deployThrough(t, door)
					if diff := cmp.Diff(requests, s.Requests()); diff != "" {
						t.Errorf("deploy %d: requests to Coolify (-want +got)\n%s", i, diff)
					}
					if diff := cmp.Diff(queries, c.counted()); diff != "" {
						t.Errorf("deploy %d: queries (-want +got)\n%s", i, diff)
					}
					delete(queries, "TouchKey") // at most once a minute
				}
			})
		}
	}
}

func (s *server) deployThrough(t *testing.T, door string) {
	t.Helper()
	for _, d := range s.Sim.Deployments(s.A.Web.UUID) {
		s.Sim.Finish(d.UUID, coolifytest.Finished)
	}
	s.Sim.Reset()
	tool, args := toolNamed(t, s.registry, "apps.deploy"), map[string]any{"app": s.A.Web.UUID}
	answer := s.overREST
	if door == "mcp" {
		answer = func(t testing.TB, tool mcp.Tool, _, key string, args map[string]any) string {
			return s.overMCP(t, tool, key, args)
		}
	}
	if got := answer(t, tool, s.A.Slug, s.A.Key, args); !strings.Contains(got, `"confirmed":false`) {
		t.Errorf("deployed: %s", got)
	}
}
