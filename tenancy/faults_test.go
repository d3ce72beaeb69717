package tenancy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// said stands in every word that a faulty Coolify says.
const said = "said-by-coolify"

// A trouble is a fault and what a tenant is told of it, by what the request was
// meant to do. What may have been carried out is a timeout that is not to be
// repeated.
type trouble struct {
	name        string
	fault       coolifytest.Fault
	read, write tenancy.Code
	lasting     bool          // trying again is no use
	after       time.Duration // to wait before the next try; 0 = any
	attempts    int           // to write; 0 = 1
}

func says(status int, body string) coolifytest.Fault {
	return coolifytest.Fault{Status: status, Body: strings.ReplaceAll(body, "$", said), Header: http.Header{"X-Reason": {said}}}
}

func saysWith(f coolifytest.Fault, header, value string) coolifytest.Fault {
	f.Header = http.Header{"X-Reason": {said}, header: {value}}
	return f
}

var troubles = []trouble{
	{name: "401", lasting: true, fault: says(401, `{"message":"$ Unauthenticated."}`), read: tenancy.Unavailable, write: tenancy.Unavailable},
	{name: "403", lasting: true, fault: says(403, `{"success":true,"message":"$ API is disabled."}`), read: tenancy.Unavailable, write: tenancy.Unavailable},
	{name: "404 thing", fault: says(404, `{"message":"$ not found."}`), read: tenancy.NotFound, write: tenancy.NotFound},
	{name: "404 route", lasting: true, fault: says(404, `{"message":"$","docs":"https://coolify.io/docs"}`), read: tenancy.Unavailable, write: tenancy.Unavailable},
	{name: "404 proxy", fault: says(404, `<h1>$</h1>`), read: tenancy.Unavailable, write: tenancy.Unavailable},
	{name: "405", lasting: true, fault: says(405, `{"message":"$"}`), read: tenancy.Unavailable, write: tenancy.Unavailable},
	{name: "409", fault: says(409, `{"message":"$","conflicts":[{"resource_name":"$"}]}`), read: tenancy.Conflict, write: tenancy.Conflict},
	{name: "422 lists", fault: says(422, `{"message":"$","errors":{"name":["$"]}}`), read: tenancy.Invalid, write: tenancy.Invalid},
	{name: "422 texts", fault: says(422, `{"message":"$","errors":{"ports":"$"}}`), read: tenancy.Invalid, write: tenancy.Invalid},
	{name: "422 sentences", fault: says(422, `{"message":"$","errors":["Invalid URL: $"]}`), read: tenancy.Invalid, write: tenancy.Invalid},
	{name: "422 fields", fault: says(422, `{"message":"Validation failed.","errors":["$"]}`), read: tenancy.Invalid, write: tenancy.Invalid},
	{name: "429", fault: says(429, `{"message":"$"}`), read: tenancy.RateLimited, write: tenancy.RateLimited, after: 30 * time.Second},
	{name: "429 soon", fault: saysWith(says(429, `{"message":"$"}`), "Retry-After", "1"), read: tenancy.RateLimited, write: tenancy.RateLimited, after: time.Second, attempts: 3},
	{name: "429 later", fault: saysWith(says(429, `{"message":"$"}`), "Retry-After", "59"), read: tenancy.RateLimited, write: tenancy.RateLimited, after: 59 * time.Second},
	{name: "500", fault: says(500, `{"message":"$"}`), read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "503 page", fault: saysWith(says(503, `<html>$</html>`), "Content-Type", "text/html"), read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "302", fault: saysWith(says(302, `$`), "Location", "https://"+said+".example.org/"), read: tenancy.Unavailable, write: tenancy.Unavailable},
	{name: "hang", fault: coolifytest.Fault{Hang: true}, read: tenancy.Timeout, write: tenancy.Timeout},
	{name: "cut", fault: coolifytest.Fault{Cut: true}, read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "page", fault: saysWith(says(200, `<html>$</html>`), "Content-Type", "text/html"), read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "null", fault: says(200, `null`), read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "empty thing", fault: says(200, `{}`), read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "nothing", fault: saysWith(coolifytest.Fault{Status: 200}, "X-Other", said), read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "done, then 500", fault: coolifytest.Fault{After: true, Status: 500, Body: said}, read: tenancy.Unavailable, write: tenancy.Timeout},
	{name: "done, then silence", fault: coolifytest.Fault{After: true, Hang: true}, read: tenancy.Timeout, write: tenancy.Timeout},
}

// A trial is a tool as it is tried: its arguments for a tenant's things, and
// what must be there first. n is another number each time.
type trial struct {
	tool    string
	preset  string // of the key that it is tried with; empty = builder
	args    func(x *tenancytest.Tenant, n int) map[string]any
	prepare func(h *tenancytest.House, x *tenancytest.Tenant, n int) map[string]any // may add arguments
	except  map[string]failure                                                      // what is told instead, by trouble (* = any) and operation
}

// A failure is what is told of a trouble; the zero failure is a success.
type failure struct {
	code      tenancy.Code
	retryable bool
}

func appArgs(more ...any) func(*tenancytest.Tenant, int) map[string]any {
	return func(x *tenancytest.Tenant, _ int) map[string]any {
		args := map[string]any{"app": x.Web.UUID}
		for i := 0; i < len(more); i += 2 {
			name, _ := more[i].(string)
			args[name] = more[i+1]
		}
		return args
	}
}

func doneArgs(x *tenancytest.Tenant, _ int) map[string]any {
	return map[string]any{"deployment": x.Done.UUID}
}

func noArgs(*tenancytest.Tenant, int) map[string]any { return map[string]any{} }

// finishAll ends what earlier tries have queued.
func finishAll(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
	for _, d := range h.Sim.Deployments(x.Web.UUID) {
		h.Sim.Finish(d.UUID, coolifytest.Finished)
	}
	return nil
}

// appWithEnv adds an app with a variable and its twin for previews.
func appWithEnv(h *tenancytest.House, x *tenancytest.Tenant) string {
	app := h.Sim.AddApp(x.Project.Environments[0].UUID, coolifytest.App{Name: x.Canary})
	h.Sim.AddEnv(app.UUID, coolifytest.Env{Key: "OLD", Value: "1"})
	return app.UUID
}

var trials = []trial{
	{tool: "workspace.describe", args: noArgs},
	{tool: "projects.list", args: noArgs},
	{tool: "projects.get", args: func(x *tenancytest.Tenant, _ int) map[string]any {
		return map[string]any{"project": "vibn-" + x.Slug + "/web-" + x.Canary}
	}},
	{tool: "apps.list", args: func(x *tenancytest.Tenant, _ int) map[string]any {
		return map[string]any{"environment": x.Project.Environments[0].UUID}
	}},
	{tool: "apps.get", args: appArgs()},
	{tool: "apps.get", args: func(x *tenancytest.Tenant, _ int) map[string]any { return map[string]any{"app": x.Web.Name} }},
	{tool: "apps.deploy", args: appArgs(), prepare: finishAll},
	{
		tool: "apps.deploy", args: appArgs("wait_seconds", 1), prepare: finishAll,
		except: map[string]failure{ // it was queued, whatever becomes of the wait; that there is no such deployment is a verdict
			"* " + lookOp: {},
		},
	},
	{tool: "apps.rollback", args: noArgs, prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
		return map[string]any{"app": history(h, x, "c1", "c2")}
	}},
	{tool: "domains.list", args: noArgs},
	{tool: "domains.set", args: noArgs, prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
		return map[string]any{"app": history(h, x), "domain": ""}
	}},
	{tool: "apps.control", args: appArgs("action", "start"), prepare: finishAll},
	{tool: "apps.control", args: appArgs("action", "stop")},
	{tool: "apps.control", args: appArgs("action", "restart"), prepare: finishAll},
	{tool: "apps.update", args: appArgs("port", 8080, "base_directory", "web", "description", "for people")},
	{
		tool: "apps.delete", preset: "owner",
		args: func(x *tenancytest.Tenant, _ int) map[string]any {
			return map[string]any{"app": x.Web.UUID, "confirm": x.Web.Name}
		},
		except: map[string]failure{ // it is gone, as it should be, or the deletion tells
			"404 thing DELETE /applications/{uuid}": {}, "404 thing GET /deployments/applications/{uuid}": {},
		},
	},
	{tool: "apps.deployments", args: appArgs()},
	{tool: "apps.logs", args: appArgs(), prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
		h.Sim.SetApp(x.Web.UUID, func(a *coolifytest.App) { a.Status = "running:healthy" })
		return nil
	}},
	{
		tool: "apps.diagnose", args: appArgs(), prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
			h.Sim.SetApp(x.Web.UUID, func(a *coolifytest.App) { a.Status, a.Logs = "running:unhealthy", "DATABASE_URL is not set" })
			return nil
		},
		except: map[string]failure{"* GET /applications/{uuid}/logs": {}, "* GET /applications/{uuid}/envs": {}}, // the rest is told all the same
	},
	{tool: "deployments.get", args: doneArgs},
	{tool: "deployments.wait", args: doneArgs},
	{tool: "deployments.logs", args: doneArgs},
	{tool: "deployments.cancel", args: noArgs, prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
		return map[string]any{"deployment": addRunning(h, x.Web)}
	}},
	{tool: "envs.list", args: appArgs()},
	{tool: "envs.upsert", args: noArgs, prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
		return map[string]any{"app": appWithEnv(h, x), "set": map[string]string{"OLD": "1", "NEW": "2"}}
	}},
	{
		tool: "envs.delete", args: noArgs,
		prepare: func(h *tenancytest.House, x *tenancytest.Tenant, _ int) map[string]any {
			return map[string]any{"app": appWithEnv(h, x), "keys": []string{"OLD"}}
		},
		except: map[string]failure{"404 thing DELETE /applications/{uuid}/envs/{env_uuid}": {}}, // it is gone, as it should be
	},
	{tool: "databases.list", args: noArgs},
	{tool: "databases.get", args: dataArgs},
	{tool: "databases.get", args: func(x *tenancytest.Tenant, _ int) map[string]any { return map[string]any{"database": x.Data.Name} }},
	{
		tool: "databases.delete", preset: "owner", args: func(x *tenancytest.Tenant, _ int) map[string]any {
			return map[string]any{"database": x.Data.UUID, "confirm": x.Data.Name}
		},
		except: map[string]failure{"404 thing DELETE /databases/{uuid}": {}}, // it is gone, as it should be
	},
	{tool: "databases.create", args: func(x *tenancytest.Tenant, n int) map[string]any {
		return map[string]any{"name": fmt.Sprint("made-", n), "engine": "redis", "attach_to": x.Web.UUID, "env_key": fmt.Sprint("KEY_", n)}
	}},
}

func dataArgs(x *tenancytest.Tenant, _ int) map[string]any {
	return map[string]any{"database": x.Data.UUID}
}

// TestFaults lets each operation that a tool uses fail in each way, first for A's
// own things and then, as far as it gets, for B's.
func TestFaults(t *testing.T) {
	t.Parallel()
	for i, tr := range trials {
		t.Run(fmt.Sprint(i, " ", tr.tool), func(t *testing.T) {
			t.Parallel()
			w := world{sim: coolifytest.Config{RateLimit: -1}, budget: tenancytest.Unlimited(), store: newMemory()}
			inBubble(t, w, func(t *testing.T, h *tenancytest.House) {
				f := &faults{House: h, world: w, trial: tr, registry: mcp.New(h.Logger), key: h.A.Key}
				if tr.preset != "" {
					f.key, _ = h.AddKey(t, h.A, tr.preset, 0)
				}
				proof := f.operations(t, f.B, tenancy.NotFound)
				for _, op := range f.operations(t, f.A, "") {
					f.own(t, op)
					if slices.Contains(proof, op) {
						f.theirs(t, op)
					}
				}
				for _, token := range h.Secrets {
					if strings.Contains(h.Log.String(), token) {
						t.Error("a token of Coolify's is in the log")
					}
				}
			})
		})
	}
}

// TestFaultsTryAll: no tool that asks Coolify or Gitea is forgotten.
func TestFaultsTryAll(t *testing.T) {
	tried := map[string]bool{"activity.list": true} // asks our own database only
	for _, tr := range trials {
		tried[tr.tool] = true
	}
	for _, tr := range giteaTrials {
		tried[tr.tool] = true
	}
	for _, tool := range mcp.New(slog.New(slog.DiscardHandler)).Tools() {
		if !tried[tool.Name] {
			t.Errorf("%s is not tried", tool.Name)
		}
	}
}

type faults struct {
	*tenancytest.House
	world
	trial
	registry *mcp.Registry
	key      string
	n        int
}

// operations returns what the tool asks for, for a tenant's things, when nothing
// fails and nothing is remembered from before.
func (f *faults) operations(t *testing.T, of *tenancytest.Tenant, want tenancy.Code) []string {
	t.Helper()
	if of == f.B && len(f.args(f.B, 0)) == 0 && f.prepare == nil {
		return nil // the tool is not told what to act on
	}
	f.Sim.Reset()
	if err := f.call(t.Context(), newGuard(t, f.House, f.world), of); codeOf(err) != want {
		t.Fatalf("without a fault: %v, want %q", err, want)
	}
	ops := f.Requests()
	slices.Sort(ops)
	return slices.Compact(ops)
}

// call calls the tool with A's key for a tenant's things.
func (f *faults) call(ctx context.Context, g *tenancy.Guard, of *tenancytest.Tenant) error {
	f.n++
	args := f.args(of, f.n)
	if f.prepare != nil {
		maps.Copy(args, f.prepare(f.House, of, f.n))
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	s, err := g.OpenKey(ctx, f.key)
	if err != nil {
		return err
	}
	_, err = f.registry.Call(ctx, s, mcp.Request{Tool: f.tool, Args: raw})
	return err
}

// own calls the tool with A's own things while an operation fails. Each Guard is
// new, so that it has to ask for everything.
func (f *faults) own(t *testing.T, op string) {
	t.Helper()
	for _, x := range troubles {
		f.Sim.Fail(op, x.fault)
		f.Sim.Reset()
		err := f.call(t.Context(), newGuard(t, f.House, f.world), f.A)
		f.checkTold(t, op, x, err, f.want(op, x))
		f.checkWrites(t, x.name+" "+op, max(1, x.attempts))
		f.Sim.Clear(op)
	}
	if err := f.call(t.Context(), newGuard(t, f.House, f.world), f.A); err != nil {
		t.Errorf("after the faults of %s: %v", op, err)
	}
}

// theirs calls it with B's things while an operation that should show whose they
// are fails. The Guard lives on, and has learnt nothing wrong at the end.
func (f *faults) theirs(t *testing.T, op string) {
	t.Helper()
	g := newGuard(t, f.House, f.world)
	f.Sim.Reset()
	for _, x := range troubles {
		f.Sim.Fail(op, x.fault)
		err := f.call(t.Context(), g, f.B)
		if err == nil {
			t.Errorf("%s %s: reached what is B's", x.name, op)
		}
		f.checkTold(t, op, x, err, x.failure(op))
		f.Sim.Clear(op)
	}
	if err := f.call(t.Context(), g, f.B); codeOf(err) != tenancy.NotFound {
		t.Errorf("B's after the faults of %s: %v, want not found", op, err)
	}
	f.checkWrites(t, op+" of B's", 0)
	if err := f.call(t.Context(), g, f.A); err != nil {
		t.Errorf("A's own after the faults of %s: %v", op, err)
	}
}

// want returns what is to be told of a trouble.
func (f *faults) want(op string, x trouble) failure {
	for _, name := range []string{x.name, "*"} {
		if v, ok := f.except[name+" "+op]; ok {
			return v
		}
	}
	return x.failure(op)
}

func (t trouble) failure(op string) failure {
	code := t.write
	if strings.HasPrefix(op, "GET ") {
		code = t.read
	}
	return failure{code, code == tenancy.RateLimited || code == tenancy.Unavailable && !t.lasting || code == tenancy.Timeout && strings.HasPrefix(op, "GET ")}
}

// checkTold looks at what a tenant is told.
func (f *faults) checkTold(t *testing.T, op string, x trouble, err error, want failure) {
	t.Helper()
	if codeOf(err) != want.code {
		t.Errorf("%s %s: %v, want %q", x.name, op, err, want.code)
	}
	if err == nil {
		return
	}
	told := mcp.FailureOf(err)
	text := string(told.JSON())
	for _, secret := range append([]string{said, f.B.Canary, "coolify.example.com"}, f.Secrets...) {
		if strings.Contains(text, secret) {
			t.Errorf("%s %s: the tenant is told %s", x.name, op, text)
		}
	}
	if unknown := want.code == tenancy.Timeout && !want.retryable; told.Message == "" || strings.Contains(told.Message, "may have been carried out") != unknown {
		t.Errorf("%s %s: %q, want a message that says whether it may have been carried out (%v)", x.name, op, told.Message, unknown)
	}
	if told.Retryable != want.retryable || x.after > 0 && told.RetryAfter != int(x.after.Seconds()) {
		t.Errorf("%s %s: %+v, want retryable %v, after %v", x.name, op, told, want.retryable, x.after)
	}
}

// checkWrites counts the changes that reached Coolify, each by itself.
func (f *faults) checkWrites(t *testing.T, name string, most int) {
	t.Helper()
	n := map[string]int{}
	for _, r := range f.Sim.Requests() {
		if r.Method != http.MethodGet {
			n[r.Method+" "+r.Path+" "+r.Body]++
		}
	}
	for write, times := range n {
		if times > most {
			t.Errorf("%s: %s was sent %d times, want at most %d", name, write, times, most)
		}
	}
}
