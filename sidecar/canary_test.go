package sidecar_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// traps are what a terminal obeys or an eye does not see.
const traps = "\x1b[31m\x1b]0;title\x07\u202e\u200b\u2066\ufeff\u009b2J\x00\x08\u061c"

// hidden is a line of a build's log that Coolify keeps for itself.
const hidden = "canary-of-a-hidden-line"

// envValues are values of an app's variables.
var envValues = []string{
	"canary-of-a-value-0123456789", `it's a "quoted" $VALUE of \n sorts`, "postgres://web:canary%2Fpassword@db.example.com:5432/web",
	"first line of a value\nsecond line of a value\n", "ключ-канарейки-0123",
}

// A canary is a house in which secrets stand wherever somebody can put them.
type canary struct {
	*server
	typed   []string // what callers and upstreams write: tokens and keys
	shaped  string   // one that nobody knows: only its shape betrays it, where it is as it is
	secrets []string // what may be seen nowhere
	answers map[string]string
	well    tally
}

func newCanary(t *testing.T, database string) *canary {
	t.Helper()
	cfg := tenancytest.Config{Database: database, Admin: strings.Repeat("operator-token-", 3), Premises: appsDomain}
	c := &canary{server: newServer(t, cfg), answers: map[string]string{}, well: tally{}}
	c.addShops(t)
	c.A.Key, c.A.KeyID = c.AddKey(t, c.A, "owner", 0)
	if err := c.DB.SetPlan(t.Context(), c.A.ID, tenancy.Plan{Databases: 1000}, c.A.CreatedAt); err != nil {
		t.Fatal(err)
	}
	key, _ := tenancy.NewKey(&tenancy.Key{})
	c.shaped = "987|" + strings.Repeat("aB3dE", 8)
	c.typed = append(slices.Clone(c.Secrets), key.Reveal(), c.shaped, c.A.Key, c.B.Key)
	c.secrets = append(slices.Clone(c.typed), envValues...)
	c.changeValues(t)
	c.plant(t)
	c.plantGitea(t)
	return c
}

// valuesThatWere are values that a variable had.
var valuesThatWere = []string{"canary-of-a-value-replaced-0123", "postgres://web:deleted%2Fcanary-password@db.example.com/web"}

// changeValues gives a variable of apps each of the values that were, and deletes it.
func (c *canary) changeValues(t *testing.T) {
	t.Helper()
	for _, uuid := range []string{c.A.Web.UUID, c.A.API.UUID} {
		app, err := hosting.FindApp(t.Context(), c.Open(t, c.A.Key, tenancy.Write), uuid)
		for _, v := range valuesThatWere {
			if err == nil {
				_, err = app.SetEnvs(t.Context(), hosting.EnvSet{Values: map[string]secret.Text{"FORMER": secret.NewText(v)}})
			}
		}
		if err == nil {
			_, err = app.DeleteEnvs(t.Context(), []string{"FORMER"}, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.secrets = append(c.secrets, valuesThatWere...)
}

// plantGitea puts secrets and traps into all that others write on Gitea.
func (c *canary) plantGitea(t *testing.T) {
	t.Helper()
	words, repo := traps+strings.Join(c.typed, " "), c.A.GiteaOrg+"/"+shopOf(c.A)
	c.Git.AddUser(giteatest.User{Login: "mallory", FullName: words})
	branch := "feature/" + c.typed[2]
	for i, s := range c.typed {
		if _, err := c.Git.PushAs("mallory", repo, branch, traps+s+"\n"+words, map[string]string{fmt.Sprint("f", i): s}); err != nil {
			t.Fatal(err)
		}
	}
	c.Git.SetRepo(repo, func(r *giteatest.Repo) { r.Description, r.DefaultBranch = words, branch })
	c.Git.AddMember(c.A.GiteaOrg, "Writers", "mallory")
	c.plantForeign()
	for _, status := range c.typed[:2] {
		c.Git.AddRepo(c.A.GiteaOrg, giteatest.Repo{Name: "theirs-" + hex.EncodeToString([]byte(status))[:8], Description: words, Fork: c.A.GiteaOrg + "/" + shopOf(c.A)})
	}
}

// plantForeign adds what reconcile takes away, named with secrets.
func (c *canary) plantForeign() {
	repo := c.A.GiteaOrg + "/" + shopOf(c.A)
	for i, s := range c.typed {
		written := url.PathEscape(s)
		if s == c.shaped {
			written = s
		}
		c.Git.AddHook(repo, giteatest.Hook{URL: "https://user:" + url.PathEscape(s) + "@hooks.example.com/" + written + traps, Secret: fmt.Sprint("secret-of-a-hook-", i, "-0123456789")})
		c.Git.AddDeployKey(repo, giteatest.DeployKey{Title: traps + s, Key: "ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte(s))})
	}
}

// passwords are those that were given to bots, which nobody keeps.
var passwords = regexp.MustCompile(`"password":"([^"]+)"`)

// known returns what Gitea and Coolify know and nobody may see: tokens, passwords,
// and what webhooks prove themselves with.
func (c *canary) known() []string {
	all := c.Git.Secrets()
	for _, d := range c.Sim.Databases() {
		if u, err := url.Parse(c.Sim.DatabaseURL(d.UUID)); err == nil {
			password, _ := u.User.Password()
			all = append(all, password)
		}
	}
	for _, r := range c.Git.Requests() {
		for _, m := range passwords.FindAllStringSubmatch(r.Body, -1) {
			all = append(all, m[1])
		}
	}
	all = append(all, c.privateHalves()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// privateKeys are those that were made for Coolify, which nobody else keeps. The
// first two lines say nothing that is secret.
var privateKeys = regexp.MustCompile(`"private_key":"-----BEGIN OPENSSH PRIVATE KEY-----\\n[^"\\]+\\n[^"\\]+\\n([^"\\]+)`)

func (c *canary) privateHalves() []string {
	var all []string
	for _, r := range c.Sim.Requests() {
		if m := privateKeys.FindStringSubmatch(r.Body); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// forms writes a secret as programs do.
func forms(s string) []string {
	broken := s[:len(s)/2] + "\n" + s[len(s)/2:]
	return []string{
		s, fmt.Sprintf("%q", s), "'" + s + "'", base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte("x" + s)),
		url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))), broken, traps + s + traps,
	}
}

// plant puts the secrets into all that tenants and upstreams write.
func (c *canary) plant(t *testing.T) {
	var log []string
	for _, s := range c.secrets {
		if s == c.shaped {
			log = append(log, s, "token="+s+";", traps+s+traps)
			continue
		}
		log = append(log, forms(s)...)
	}
	for i, v := range envValues {
		for _, app := range []string{c.A.Web.UUID, c.A.API.UUID} {
			c.Sim.AddEnv(app, coolifytest.Env{Key: fmt.Sprintf("SECRET_%d", i), Value: v, Runtime: true, Multiline: strings.Contains(v, "\n")})
		}
	}
	words := traps + strings.Join(c.typed, " ")
	c.Sim.SetApp(c.A.Web.UUID, func(a *coolifytest.App) {
		a.Description, a.GitBranch, a.CommitMessage = words, "main/"+c.typed[0], words
		a.Logs = strings.Join(log, "\n")
	})
	c.keepLog(t, strings.Join(log, "\n"))
	for i, s := range c.typed {
		c.Sim.AddApp(c.A.Project.Environments[0].UUID, coolifytest.App{
			Name: traps + s, FQDN: "https://user:" + url.PathEscape(s) + "@" + fmt.Sprint(i) + ".example.com", BuildPack: s, Status: traps + s,
			GitRepository: "https://bot:" + url.PathEscape(s) + "@git.example.com/alpha/web" + fmt.Sprint(i) + ".git", PortsExposes: s, BaseDirectory: "/" + s,
		})
	}
	var lines []coolifytest.LogLine
	for _, line := range log {
		lines = append(lines, coolifytest.LogLine{Output: line, Command: line}, coolifytest.LogLine{Output: line, Hidden: true})
	}
	lines = append(lines, coolifytest.LogLine{Output: hidden, Hidden: true})
	for _, status := range []string{coolifytest.Finished, coolifytest.Failed} {
		c.Sim.AddDeployment(c.A.Web.UUID, coolifytest.Deployment{Status: status, Message: words, Logs: lines, Commit: c.typed[0]})
	}
	c.Sim.AddEnvironment(c.A.Project.UUID, c.typed[3])
}

// keepLog has the log of an app of A's kept, which then is stopped for good.
func (c *canary) keepLog(t *testing.T, log string) {
	t.Helper()
	uuid := c.A.API.UUID
	c.Sim.SetApp(uuid, func(a *coolifytest.App) { a.Logs, a.Restarts = log, 10 })
	app, err := hosting.FindApp(t.Context(), c.Open(t, c.A.Key, tenancy.Read), uuid)
	if err == nil {
		_, err = app.Logs(t.Context(), hosting.MaxLogLines, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Sim.SetApp(uuid, func(a *coolifytest.App) { a.Status = "exited:unhealthy" })
	if _, err := c.DB.KeptLog(t.Context(), c.A.ID, uuid); err != nil {
		t.Fatal(err)
	}
}

// good are calls that find what they look for, to let all that is planted out.
func (c *canary) good(t *testing.T) map[string][]map[string]any {
	t.Helper()
	calls := map[string][]map[string]any{}
	for _, tool := range c.registry.Tools() {
		calls[tool.Name] = []map[string]any{c.valid(t, c.A, tool.Name)}
	}
	for _, d := range c.Sim.Deployments(c.A.Web.UUID) {
		if d.FinishedAt == nil && d.Status == coolifytest.Queued {
			continue // a call of ours made it, and nobody ends it
		}
		for _, tool := range []string{"deployments.get", "deployments.wait", "deployments.logs"} {
			calls[tool] = append(calls[tool], map[string]any{"deployment": d.UUID})
		}
		calls["deployments.logs"] = append(calls["deployments.logs"], map[string]any{"deployment": d.UUID, "lines": 500})
	}
	for _, app := range []string{c.A.Web.UUID, c.A.API.UUID} {
		calls["apps.logs"] = append(calls["apps.logs"], map[string]any{"app": app, "lines": 500})
		calls["apps.diagnose"] = append(calls["apps.diagnose"], map[string]any{"app": app})
	}
	calls["apps.list"] = append(calls["apps.list"], map[string]any{"limit": 50})
	calls["projects.list"] = append(calls["projects.list"], map[string]any{"limit": 25})
	calls["apps.deploy"] = append(calls["apps.deploy"], map[string]any{"app": c.A.API.UUID, "force": true})
	calls["activity.list"] = append(calls["activity.list"], map[string]any{"limit": 50})
	calls["projects.get"] = append(calls["projects.get"], map[string]any{"project": shopOf(c.A)})
	calls["projects.create"] = append(calls["projects.create"], map[string]any{"name": "described", "description": traps + strings.Join(c.typed, " ")[:100]})
	calls["apps.create"] = append(calls["apps.create"], map[string]any{
		"project": shopOf(c.A), "name": "made", "build": "static", "env": map[string]string{"SECRET": c.typed[0]}, "description": traps + strings.Join(c.typed, " ")[:100],
	})
	calls["gitea.credentials"] = []map[string]any{{}, {"reveal": true}}
	for _, engine := range []string{"postgresql", "mysql", "mariadb", "mongodb", "redis"} {
		made := map[string]any{"name": "of-" + engine, "engine": engine, "attach_to": c.A.Web.UUID, "env_key": strings.ToUpper(engine) + "_ADDRESS", "idempotency_key": engine}
		calls["databases.create"] = append(calls["databases.create"], made, with(made, "idempotency_key", c.typed[0]), with(made, "name", "other-"+engine), with(made, "engine", "redis"))
	}
	calls["databases.list"] = append(calls["databases.list"], map[string]any{})
	calls["databases.get"] = append(calls["databases.get"], map[string]any{"database": "of-postgresql"})
	calls["databases.delete"] = append(calls["databases.delete"], map[string]any{"database": "of-postgresql"})
	return calls
}

// bad are calls in which somebody types a secret where a name or a value belongs.
func (c *canary) bad(t *testing.T) map[string][]map[string]any {
	t.Helper()
	calls := map[string][]map[string]any{}
	for name, args := range probesOf(c.A) {
		params, ok := c.registry.Params(name)
		if !ok {
			t.Fatalf("no tool %s", name)
		}
		for i, s := range c.typed {
			if i == 0 {
				s = traps + s
			}
			calls[name] = append(calls[name], with(args, s, "x"))
			for _, param := range params {
				calls[name] = append(calls[name], with(args, param.Name, s))
			}
			switch name {
			case "envs.upsert":
				calls[name] = append(calls[name], with(args, "set", map[string]string{s: "x"}), with(args, "set", map[string]string{"A": s + "{{team.X}}"}), with(args, "set", map[string]any{s: 1}))
			case "envs.delete":
				calls[name] = append(calls[name], with(args, "keys", []string{s}), with(args, "keys", []any{s, 1}))
			}
		}
	}
	return calls
}

// ways are the doors, each with a client that calls itself by a secret.
func (c *canary) ways() map[string]func(t *testing.T, tool mcp.Tool, args map[string]any, client string) string {
	show := func(r reply) string {
		r.header.Del("Date")
		var head bytes.Buffer
		_ = r.header.Write(&head) // a bytes.Buffer takes everything
		return head.String() + r.body
	}
	return map[string]func(t *testing.T, tool mcp.Tool, args map[string]any, client string) string{
		"mcp": func(t *testing.T, tool mcp.Tool, args map[string]any, client string) string {
			return show(c.ask(t, question{method: "POST", path: "/mcp", key: c.A.Key, body: callOf(tool.Name, encode(t, args)), header: map[string]string{"User-Agent": client}}))
		},
		"modern": func(t *testing.T, tool mcp.Tool, args map[string]any, client string) string {
			info := encode(t, map[string]string{"name": traps + client, "version": client})
			extra := strings.Replace(meta, `{"name":"modern-client","version":"1"}`, info, 1)
			extra = strings.Replace(extra, `"_meta":{`, `"_meta":{"progressToken":`+encode(t, client)+`,`, 1)
			q := modernly(c.A.Key, "tools/call", fmt.Sprintf(`{"name":%q,"arguments":%s,%s}`, tool.WireName(), encode(t, args), extra), tool.WireName())
			q.header["Accept"] = "application/json, text/event-stream"
			answer := show(c.ask(t, q))
			return strings.ReplaceAll(answer, `"progressToken":`+encode(t, client), "") // the protocol wants it back
		},
		"rest": func(t *testing.T, tool mcp.Tool, args map[string]any, client string) string {
			method, path, body := twinOf(t, tool, c.A.Slug, args)
			return show(c.ask(t, question{method: method, path: path, body: body, key: c.A.Key, header: map[string]string{"User-Agent": client}}))
		},
	}
}

// callAll makes the calls through the doors, every call through that many of
// them in turn, and keeps the answers.
func (c *canary) callAll(t *testing.T, what string, calls map[string][]map[string]any, doors int) {
	t.Helper()
	ways, n := c.ways(), 0
	names := slices.Sorted(maps.Keys(ways))
	for _, tool := range c.registry.Tools() {
		for _, args := range calls[tool.Name] {
			for range doors {
				n++
				way := names[n%len(names)]
				answer := ways[way](t, tool, args, c.typed[n%len(c.typed)])
				c.answers[fmt.Sprintf("%s: %s %s %.300q", what, way, tool.Name, encode(t, args))] = answer
				c.well.count(tool.Name, answer)
			}
		}
	}
}

// fail makes each operation that the calls need go wrong in turn, with words of
// Coolify's that hold secrets.
func (c *canary) fail(t *testing.T) {
	t.Helper()
	ops := slices.Compact(slices.Sorted(slices.Values(c.Requests())))
	words := strings.Join(c.secrets, " ")
	said := encode(t, map[string]any{"message": words, "errors": map[string]any{"name": []string{words}}, "docs": words})
	statuses := []int{400, 401, 403, 404, 409, 422, 429, 500, 503}
	for i, op := range ops {
		for _, f := range []coolifytest.Fault{
			{Status: statuses[i%len(statuses)], Body: said, Header: http.Header{"X-Debug": {c.typed[0]}}},
			{Status: 500, Body: "<html>" + words, Header: http.Header{"Content-Type": {"text/html"}}},
			{Status: 200, Body: words},
		} {
			c.Sim.Fail(op, f)
			for n, tool := range c.registry.Tools() {
				ways := c.ways()
				way := slices.Sorted(maps.Keys(ways))[(i+n+f.Status)%len(ways)]
				c.answers[fmt.Sprintf("%s answers %d: %s %s", op, f.Status, way, tool.Name)] = ways[way](t, tool, probesOf(c.A)[tool.Name], c.typed[n%len(c.typed)])
			}
		}
		c.Sim.Clear(op)
	}
}

// failGitea makes each operation of Gitea's that tools and jobs need go wrong in
// turn, with words that hold secrets, and has the queue run jobs meanwhile.
func (c *canary) failGitea(t *testing.T) {
	t.Helper()
	ops := map[string]bool{}
	for _, r := range c.Git.Requests() {
		ops[r.Operation] = true
	}
	words := traps + strings.Join(c.secrets, " ")
	calls := map[string]map[string]any{
		"gitea.credentials": {"reveal": true}, "projects.create": {"name": "failing"}, "projects.get": {"project": shopOf(c.A)},
	}
	ways := c.ways()
	names := slices.Sorted(maps.Keys(ways))
	for i, op := range slices.Sorted(maps.Keys(ops)) {
		for n, f := range []giteatest.Fault{
			{Status: []int{400, 401, 403, 404, 409, 422, 429, 500, 503}[i%9], Body: encode(t, map[string]any{"message": words, "errors": []string{words}}), Header: http.Header{"X-Debug": {c.typed[0]}}},
			{Status: 500, Body: "<html>" + words, Header: http.Header{"Content-Type": {"text/html"}}},
			{Status: 200, Body: words},
		} {
			c.Git.Fail(op, f)
			for tool, args := range calls {
				if tool == "projects.create" {
					args = map[string]any{"name": fmt.Sprintf("failing-%d-%d", i%30, n)}
				}
				way := names[(i+n)%len(names)]
				c.answers[fmt.Sprintf("%s answers %d: %s %s", op, f.Status, way, tool)] = ways[way](t, toolNamed(t, c.registry, tool), args, c.typed[i%len(c.typed)])
			}
			_ = c.Provisioner.Provision(t.Context(), c.A.ID) // what is wrong is written down
			c.askOperator(t, fmt.Sprint(op, n))
			c.Git.Clear(op)
		}
		c.plantForeign()
	}
	c.work(t)
}

// askOperator looks at the workspace with the operator's token.
func (c *canary) askOperator(t *testing.T, when string) {
	t.Helper()
	for _, path := range []string{"/api/admin/workspaces", "/api/admin/workspaces/" + c.A.Slug, "/api/admin/workspaces/" + c.A.Slug + "/keys"} {
		c.answers["operator: "+when+" "+path] = c.ask(t, question{path: path, key: strings.Repeat("operator-token-", 3)}).body
	}
}

// work has a job of the queue fail, so that the database holds its error.
func (c *canary) work(t *testing.T) {
	t.Helper()
	const op = "GET /orgs/{org}"
	c.Git.Fail(op, giteatest.Fault{Status: 500, Body: encode(t, map[string]string{"message": strings.Join(c.secrets, " ")})})
	defer c.Git.Clear(op)
	if err := c.Operator.Provision(t.Context(), c.A.Workspace); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran, ended := make(chan struct{}), make(chan error, 1)
	signal := sync.OnceFunc(func() { close(ran) })
	go func() {
		ended <- c.DB.Work(ctx, store.Jobs{
			Provision: func(ctx context.Context, id string) error {
				defer signal()
				return c.Provisioner.Provision(ctx, id)
			},
			Sweep: func(context.Context) error { return nil },
		}, c.Logger)
	}()
	<-ran
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// overStdio makes the calls over standard input and output.
func (c *canary) overStdio(t *testing.T, calls map[string][]map[string]any) {
	t.Helper()
	info := encode(t, map[string]string{"name": traps + c.typed[0], "version": c.typed[1]})
	in := []string{method("initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":`+info+`}`), c.typed[0], `{"jsonrpc":"2.0","method":"` + c.typed[2] + `","id":2}`}
	id, called := 2, map[int]string{}
	for _, tool := range c.registry.Tools() {
		for _, args := range calls[tool.Name] {
			id++
			called[id] = tool.Name
			in = append(in, strings.Replace(callOf(tool.Name, encode(t, args)), `"id":1`, fmt.Sprintf(`"id":%d`, id), 1))
		}
	}
	var out bytes.Buffer
	err := mcp.ServeStdio(t.Context(), c.registry, c.Guard, secret.NewText(c.A.Key), "test", c.Logger, strings.NewReader(strings.Join(in, "\n")), &out)
	if err != nil || strings.Count(out.String(), "\n") != id+1 {
		t.Errorf("ServeStdio: %v after %d answers, want %d", err, strings.Count(out.String(), "\n"), id+1)
	}
	c.answers["stdio"] = out.String()
	answered := tally{}
	for line := range strings.Lines(out.String()) {
		var m struct{ ID int }
		if err := json.Unmarshal([]byte(line), &m); err == nil {
			answered.count(called[m.ID], line)
		}
	}
	answered.checkAll(t, c.registry)
}

// TestCanary: no secret is in any answer, log or row, whoever planted it where.
func TestCanary(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		c := newCanary(t, "sqlite")
		c.callAll(t, "good", c.good(t), 3)
		c.well.checkAll(t, c.registry)
		c.overStdio(t, c.good(t))
		c.fail(t)
		c.failGitea(t)
		c.callAll(t, "bad", c.bad(t), 1)
		c.odd(t)
		c.check(t, 1000, sqliteRows)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		c := newCanary(t, "postgres")
		c.callAll(t, "good", c.good(t), 1)
		c.well.checkAll(t, c.registry)
		c.failGitea(t)
		c.callAll(t, "bad", c.bad(t), 1)
		c.check(t, 300, postgresRows)
	})
}

// check looks for the secrets everywhere.
func (c *canary) check(t *testing.T, least int, rowsOf func(t *testing.T, c *canary) string) {
	t.Helper()
	all := strings.Join(slices.Collect(maps.Values(c.answers)), "")
	if len(c.answers) < least || !strings.Contains(all, "[redacted]") || !strings.Contains(all, c.A.Canary) {
		t.Errorf("%d answers, or nothing let through, or nothing redacted", len(c.answers))
	}
	own, err := repository.Credentials(t.Context(), c.Open(t, c.A.Key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	c.secrets = append(append(c.secrets, hidden), c.known()...)
	if len(c.privateHalves()) == 0 {
		t.Error("no deploy key was made")
	}
	if !slices.Contains(c.secrets, own.Token.Reveal()) {
		t.Error("the token that was revealed is not among the secrets that are looked for")
	}
	checked, revealed := map[string]bool{}, 0
	for what, answer := range c.answers {
		if strings.Contains(what, "gitea.credentials") || what == "stdio" { // it was asked for there
			revealed += strings.Count(answer, own.Token.Reveal())
			answer = strings.ReplaceAll(answer, own.Token.Reveal(), "")
		}
		if !checked[answer] {
			c.checkText(t, what, answer)
			checkVisible(t, what, answer)
		}
		checked[answer] = true
	}
	if revealed == 0 {
		t.Error("nowhere was the token revealed that was asked for")
	}
	c.checkText(t, "the log", c.Log.String())
	rows := rowsOf(t, c)
	c.checkText(t, "the database", rows)
	checkVisible(t, "the database", rows)
	for _, want := range []string{
		c.A.Slug, c.A.KeyID, "envs.upsert", "[redacted]", "platform.reconcile", "vibn_provision", "not in order: gitea_org", "hooks.example.com",
	} {
		if !strings.Contains(rows, want) {
			t.Errorf("the rows lack %q: were all read?", want)
		}
	}
	c.Fine(t)
}

// odd sends secrets to where no tool is.
func (c *canary) odd(t *testing.T) {
	t.Helper()
	for _, s := range c.typed {
		escaped := url.PathEscape(s)
		for _, q := range []question{
			{path: "/" + escaped},
			{path: "/api/workspaces/" + escaped, key: c.A.Key},
			{path: "/api/workspaces/" + escaped, key: s + "x"},
			{path: "/api/workspaces/alpha/apps?" + url.QueryEscape(s) + "=1", key: c.A.Key},
			{path: "/api/workspaces/alpha/apps?limit=" + url.QueryEscape(s), key: c.A.Key},
			{path: "/healthz", host: "example.org", header: map[string]string{"Origin": "https://example.org/" + escaped}},
			{method: "POST", path: "/mcp", key: c.A.Key, body: method(s, "{}")},
			{method: "POST", path: "/mcp", key: c.A.Key, body: callOf(s, "{}")},
			{method: "POST", path: "/mcp", key: c.A.Key, body: s},
			{method: "POST", path: "/mcp", key: c.A.Key, body: method("tools/list", `{"cursor":`+encode(t, s)+`}`)},
			{method: "POST", path: "/mcp", key: c.A.Key, body: listTools, header: map[string]string{"MCP-Protocol-Version": s}},
			{method: "POST", path: "/mcp", key: c.A.Key, body: listTools, header: map[string]string{"Content-Type": s, "Accept": s}},
			{method: "POST", path: "/mcp", key: c.A.Key, body: `{"jsonrpc":"2.0","id":1,"method":"notifications/` + s + `"}`},
		} {
			r := c.ask(t, q)
			c.answers[fmt.Sprintf("odd: %s %s %s", q.method, q.path, q.body)] = fmt.Sprint(r.header) + r.body
		}
	}
}

// TestCanaryStream: what is told of a wait, and of an upstream that breaks while
// it goes on, holds no secret.
func TestCanaryStream(t *testing.T) {
	c := newCanary(t, "sqlite")
	dep := c.Sim.AddDeployment(c.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress, Message: strings.Join(c.typed, traps)})
	gate := make(chan struct{})
	c.Sim.Fail("GET /deployments", coolifytest.Fault{Status: 500, Body: encode(t, map[string]string{"message": strings.Join(c.secrets, " ")}), Gate: gate})
	go func() {
		for range 3 { // the look and its repetitions
			gate <- struct{}{}
		}
		c.Sim.Clear("GET /deployments")
		c.Sim.Finish(dep.UUID, coolifytest.Failed)
		close(gate)
	}()
	body := method("tools/call", `{"name":"deployments_wait","arguments":{"deployment":"`+dep.UUID+`"},"_meta":{"progressToken":1}}`)
	r := c.ask(t, question{method: "POST", path: "/mcp", key: c.A.Key, body: body, header: map[string]string{"Accept": "application/json, text/event-stream"}})
	if !strings.Contains(r.body, "notifications/progress") || !strings.Contains(r.body, `"status":"failed"`) {
		t.Errorf("the wait came to %d %s", r.status, r.body)
	}
	c.checkText(t, "the stream", r.body)
	checkVisible(t, "the stream", r.body)
	c.checkText(t, "the log", c.Log.String())
	if !strings.Contains(c.Log.String(), "look at running deployments") {
		t.Error("the log does not say that the look at running deployments failed")
	}
}
