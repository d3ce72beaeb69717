package tenancy_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
	"github.com/vibnai/vibn-mcp/verdict"
)

var (
	oldCommit = strings.Repeat("0", 39) + "1"
	newCommit = strings.Repeat("0", 39) + "2"
)

// A judged is how a wait for a verdict ended.
type judged struct {
	verdict.Waited
	err  error
	took time.Duration
	seen []string
}

// judge waits for a verdict as a call of a key's would.
func verdictOn(ctx context.Context, g *tenancy.Guard, key, ref, app string, d time.Duration) <-chan judged {
	ended := make(chan judged, 1)
	go func() {
		var o judged
		began := time.Now()
		s, err := g.OpenKey(ctx, key)
		if err == nil {
			s, err = s.Begin(ctx, tenancy.Call{
				Tool: "test", Needs: tenancy.Read, Look: func(d tenancy.DeploymentInfo) { o.seen = append(o.seen, d.UUID+" "+d.Status) },
			})
		}
		if err == nil {
			o.Waited, err = verdict.Await(ctx, s, ref, app, d)
		}
		o.err, o.took = err, since(began)
		ended <- o
	}()
	return ended
}

// build queues a deployment of a commit, and ends it 4 s later.
func build(h *tenancytest.House, app coolifytest.App, commit, status string) string {
	id := h.Sim.AddDeployment(app.UUID, coolifytest.Deployment{
		Status: coolifytest.InProgress, Commit: commit, Logs: []coolifytest.LogLine{{Output: "npm error code 1"}, {Output: "secret value-" + h.A.Canary}},
	}).UUID
	time.AfterFunc(4*time.Second, func() { h.Sim.Finish(id, status) })
	return id
}

// TestVerdicts: what a visitor meets decides, at the wire: an old version that
// still answers, an app that comes up late, one that never does.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const site = "https://web.alpha.example.com/"
	set := func(h *tenancytest.House, change func(*coolifytest.App)) { h.Sim.SetApp(h.A.Web.UUID, change) }
	for name, tc := range map[string]struct {
		status  string
		prepare func(h *tenancytest.House)
		want    verdict.Judgement
		reason  string
		took    time.Duration
	}{
		"live": {coolifytest.Finished, nil, verdict.Judgement{Verdict: "live", URL: site, HTTPStatus: 200}, "commit 0000000000 answers 200", 2 * tick},
		"not found is an answer": {
			coolifytest.Finished, func(h *tenancytest.House) { set(h, func(a *coolifytest.App) { a.HTTPStatus = 404 }) },
			verdict.Judgement{Verdict: "live", URL: site, HTTPStatus: 404},
			"answers 404", 2 * tick,
		},
		"comes up late": {coolifytest.Finished, func(h *tenancytest.House) {
			set(h, func(a *coolifytest.App) { a.HTTPStatus = 502 })
			time.AfterFunc(10*time.Second, func() { set(h, func(a *coolifytest.App) { a.HTTPStatus = 200 }) })
		}, verdict.Judgement{Verdict: "live", URL: site, HTTPStatus: 200}, "answers 200", 4 * tick},
		"never comes up": {
			coolifytest.Finished, func(h *tenancytest.House) { set(h, func(a *coolifytest.App) { a.HTTPStatus = 502 }) },
			verdict.Judgement{Verdict: "unreachable", URL: site, HTTPStatus: 502},
			"the domain answers 502", 5 * tick,
		},
		"wrong host": {coolifytest.Finished, func(h *tenancytest.House) {
			time.AfterFunc(5*time.Second, func() { set(h, func(a *coolifytest.App) { a.FQDN = "https://other.example.com" }) })
		}, verdict.Judgement{Verdict: "unreachable", URL: "https://other.example.com/", HTTPStatus: 503}, "no container runs for it", 5 * tick},
		"port and path are the proxy's": {coolifytest.Finished, func(h *tenancytest.House) {
			set(h, func(a *coolifytest.App) { a.FQDN = "http://web.alpha.example.com:3000/x,https://b.example.com" })
		}, verdict.Judgement{Verdict: "live", URL: "http://web.alpha.example.com/", HTTPStatus: 200}, "answers 200", 2 * tick},
		"no domain": {
			coolifytest.Finished, func(h *tenancytest.House) { set(h, func(a *coolifytest.App) { a.FQDN = "" }) },
			verdict.Judgement{Verdict: "live"},
			"runs; it has no domain", 2 * tick,
		},
		"no domain, and stopped": {coolifytest.Finished, func(h *tenancytest.House) {
			time.AfterFunc(5*time.Second, func() { set(h, func(a *coolifytest.App) { a.FQDN, a.Status = "", "exited:unhealthy" }) })
		}, verdict.Judgement{Verdict: "still_running"}, "not certain yet whether it runs", 14 * tick},
		"pinned to another commit": {
			coolifytest.Finished, func(h *tenancytest.House) { set(h, func(a *coolifytest.App) { a.GitCommitSHA = oldCommit }) },
			verdict.Judgement{Verdict: "stale", URL: site, HTTPStatus: 200},
			"but 0000000000 was wanted", 2 * tick,
		},
		"failed, the old one answers": {
			coolifytest.Failed, nil,
			verdict.Judgement{Verdict: "stale", URL: site, HTTPStatus: 200},
			"the deployment failed; the version before it answers 200", 2 * tick,
		},
		"failed, none answers": {
			coolifytest.Failed, func(h *tenancytest.House) { set(h, func(a *coolifytest.App) { a.Status = "exited:unhealthy" }) },
			verdict.Judgement{Verdict: "failed", URL: site, HTTPStatus: 503},
			"the deployment failed, and no container of it runs; the domain answers 503", 2 * tick,
		},
		"cancelled": {coolifytest.Cancelled, nil, verdict.Judgement{Verdict: "stale", URL: site, HTTPStatus: 200}, "cancelled; the version before it", 2 * tick},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
				if tc.prepare != nil {
					tc.prepare(h)
				}
				id := build(h, h.A.Web, newCommit, tc.status)
				o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
				if tc.status == coolifytest.Failed {
					if o.FirstError.String() != "npm error code 1" {
						t.Errorf("the first error is %q", o.FirstError)
					}
				}
				got := o.Judgement
				got.FirstError = tc.want.FirstError
				tc.want.Reason = got.Reason
				if got != tc.want || !strings.Contains(got.Reason, tc.reason) || o.err != nil || o.took != tc.took {
					t.Errorf("%+v, %v after %v; want %+v with %q after %v", o.Waited, o.err, o.took, tc.want, tc.reason, tc.took)
				}
				if o.UUID != id || !o.Done || o.Commit.String() != newCommit || o.App != h.A.Web.UUID {
					t.Errorf("the deployment is %+v", o.DeploymentState)
				}
			})
		})
	}
}

// TestVerdictAddress: an app whose domain leads into the platform's network is not
// asked, and the verdict says so.
func TestVerdictAddress(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{Probe: probe.New(probe.Config{})})
	for _, fqdn := range []string{"http://127.0.0.1", "https://169.254.169.254/latest", "http://[::1]", "http://10.0.0.1:80"} {
		h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) { a.FQDN = fqdn })
		w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), h.A.Done.UUID, "", time.Second)
		if err != nil || w.Verdict != verdict.VerdictUnreachable || !strings.Contains(w.Reason, "not public") || w.HTTPStatus != 0 {
			t.Errorf("%s: %+v, %v; want unreachable, as the address is not public", fqdn, w, err)
		}
	}
}

// TestVerdictWithoutDeploymentLog: without the sensitive token the first error is
// absent, and the rest is there.
func TestVerdictWithoutDeploymentLog(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{NoSensitive: true})
	failed := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.Failed, Logs: []coolifytest.LogLine{{Output: "npm error"}}})
	w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), failed.UUID, "", time.Second)
	if err != nil || w.Verdict != verdict.VerdictStale || !w.FirstError.IsZero() {
		t.Errorf("%+v, %v; want stale without a first error", w, err)
	}
}

// TestVerdictHead: what was wanted of an app whose project was created here is the
// newest commit of its branch.
func TestVerdictHead(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.AddRepository(t, h.A, "site")
	s := h.Open(t, h.A.Key, tenancy.Read)
	repo, err := url.Parse(repository.CloneURL(s, "site"))
	if err != nil {
		t.Fatal(err)
	}
	app := h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{Name: "site", GitRepository: repo.String(), FQDN: "https://site.alpha.example.com", Status: "running:healthy"})
	first := h.Git.Head(h.A.GiteaOrg+"/site", "main")
	deployed := h.Sim.AddDeployment(app.UUID, coolifytest.Deployment{Status: coolifytest.Finished, Commit: first}).UUID
	awaited := func() verdict.Waited {
		t.Helper()
		w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), deployed, "", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	if w := awaited(); w.Verdict != verdict.VerdictLive {
		t.Errorf("the newest commit: %+v, want live", w)
	}
	newest, err := h.Git.Push(h.A.GiteaOrg+"/site", "main", "more", map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	if w := awaited(); w.Verdict != verdict.VerdictStale || !strings.Contains(w.Reason, newest[:10]) {
		t.Errorf("an old commit: %+v, want stale, and the newest named", w)
	}
	h.Git.Fail("GET /repos/{owner}/{repo}", giteatest.Fault{Status: 500, Body: "{}"})
	if w := awaited(); w.Verdict != verdict.VerdictLive {
		t.Errorf("Gitea does not answer: %+v, want live, as nothing is known to compare with", w)
	}
	h.Git.Clear("GET /repos/{owner}/{repo}")
	if _, err := h.Git.Push(h.A.GiteaOrg+"/site", "next", "a branch", map[string]string{"a": "c"}); err != nil {
		t.Fatal(err)
	}
	h.Sim.SetApp(app.UUID, func(a *coolifytest.App) { a.GitBranch = "no-such" })
	if w := awaited(); w.Verdict != verdict.VerdictLive {
		t.Errorf("a branch that is not there: %+v, want live", w)
	}
	own := h.Sim.AddDeployment(app.UUID, coolifytest.Deployment{Status: coolifytest.Finished, Commit: first, Rollback: true}).UUID
	if w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), own, "", time.Second); err != nil || w.Verdict != verdict.VerdictLive {
		t.Errorf("a rollback: %+v, %v; want live, as it means the commit that it goes back to", w, err)
	}
}

// A pushes is a house in which some apps were created here.
type pushes struct {
	*tenancytest.House
	records map[string]tenancy.AppRecord // by name
}

// addRecord writes down that an app was created here.
func (p *pushes) addRecord(t *testing.T, x *tenancytest.Tenant, app coolifytest.App, name string) {
	t.Helper()
	id := func() string { return uuid.Must(uuid.NewV7()).String() }
	project := tenancy.Project{ID: id(), WorkspaceID: x.ID, Slug: "of-" + name, Name: name, Nonce: "n", CreatedAt: x.CreatedAt}
	record := tenancy.AppRecord{ID: id(), WorkspaceID: x.ID, ProjectID: project.ID, Name: name, Nonce: "n", CreatedAt: x.CreatedAt}
	for _, err := range []error{
		p.DB.CreateProject(t.Context(), project), p.DB.CreateApp(t.Context(), record), p.DB.RecordApp(t.Context(), x.ID, record.ID, app.UUID, true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	record.UUID, record.Made = app.UUID, true
	p.records[name] = record
}

// push records what a push came to.
func (p *pushes) push(t *testing.T, name, head, deployment string) {
	t.Helper()
	was := p.records[name]
	is := was
	is.Head, is.Deployment = head, deployment
	if err := p.DB.SetAppPush(context.WithoutCancel(t.Context()), was, is); err != nil {
		t.Error(err)
	}
	p.records[name] = is
}

// inPushes runs a test in a house where A's two apps and B's were created here.
func inPushes(t *testing.T, test func(t *testing.T, p *pushes)) {
	t.Helper()
	inBubble(t, world{}, func(t *testing.T, h *tenancytest.House) {
		p := &pushes{h, map[string]tenancy.AppRecord{}}
		p.addRecord(t, h.A, h.A.Web, "web")
		p.addRecord(t, h.A, h.A.API, "api")
		p.addRecord(t, h.B, h.B.Web, "theirs")
		test(t, p)
	})
}

// TestVerdictOfPush: a wait for a commit goes on until its deployment is recorded,
// and with that.
func TestVerdictOfPush(t *testing.T) {
	t.Parallel()
	inPushes(t, func(t *testing.T, p *pushes) {
		wait := verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "", hosting.MaxWait)
		pass(4 * time.Second)
		id := build(p.House, p.A.Web, newCommit, coolifytest.Finished)
		p.push(t, "web", newCommit, id)
		o := <-wait
		if o.err != nil || o.Verdict != verdict.VerdictLive || o.UUID != id || o.Commit.String() != newCommit {
			t.Errorf("%+v, %v; want the pushed commit live", o.Waited, o.err)
		}
		if len(o.seen) < 3 || o.seen[0] != newCommit[:10]+" waiting for its push to arrive" || o.seen[len(o.seen)-1] != id+" in_progress" {
			t.Errorf("the caller was told %q", o.seen)
		}
		again := <-verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "web.alpha.example.com", hosting.MaxWait)
		if again.err != nil || again.Verdict != verdict.VerdictLive || again.UUID != id || again.took != 0 {
			t.Errorf("asked again: %+v", again)
		}
	})
}

// TestVerdictOfNoPush: nobody has pushed; B has, and A does not see it.
func TestVerdictOfNoPush(t *testing.T) {
	t.Parallel()
	inPushes(t, func(t *testing.T, p *pushes) {
		p.push(t, "theirs", newCommit, build(p.House, p.B.Web, newCommit, coolifytest.Finished))
		p.push(t, "web", oldCommit, "")
		p.Sim.Reset()
		o := <-verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "", 10*time.Second)
		if o.err != nil || o.Verdict != verdict.VerdictStillRunning || o.Done || o.UUID != "" || o.took != 10*time.Second {
			t.Errorf("%+v, %v after %v; want still running after 10 s", o.Waited, o.err, o.took)
		}
		if !strings.Contains(o.Reason, "no push of this commit") || !strings.Contains(strings.Join(o.Next, " "), "apps_deploy") {
			t.Errorf("%q, next %q; want no push, and what to do", o.Reason, o.Next)
		}
		if n := countOps(p.Requests()); len(p.Requests()) != 2 || n["GET /deployments/applications/{uuid}"] != 2 {
			t.Errorf("requests: %v, want one for each of A's apps, at the end", p.Requests())
		}
	})
}

// TestVerdictOfOldPush: the branch has moved on before somebody waits.
func TestVerdictOfOldPush(t *testing.T) {
	t.Parallel()
	inPushes(t, func(t *testing.T, p *pushes) {
		id := build(p.House, p.A.Web, oldCommit, coolifytest.Finished)
		p.push(t, "web", oldCommit, id)
		pass(10 * time.Second)
		p.push(t, "web", newCommit, "")
		o := <-verdictOn(t.Context(), p.Guard, p.A.Key, oldCommit, "", 5*time.Second)
		if o.err != nil || o.UUID != id || o.Status != "finished" {
			t.Errorf("a commit that was deployed before: %+v, %v; want its deployment", o.Waited, o.err)
		}
	})
}

// TestVerdictOfUndeployed: a push that was looked at and not deployed is not waited
// for; somebody may have had its commit deployed all the same.
func TestVerdictOfUndeployed(t *testing.T) {
	t.Parallel()
	inPushes(t, func(t *testing.T, p *pushes) {
		for reported, want := range map[string]string{"": "[skip ci]", "failure": "may not be deployed"} {
			was := p.records["web"]
			is := was
			is.Head, is.Reported = newCommit, reported
			if err := p.DB.SetAppPush(t.Context(), was, is); err != nil {
				t.Fatal(err)
			}
			p.records["web"] = is
			o := <-verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "", hosting.MaxWait)
			if o.err != nil || o.Verdict != verdict.VerdictFailed || o.took != 0 || !strings.Contains(o.Reason, want) || !strings.Contains(o.Next[0], "apps_deploy") {
				t.Errorf("reported %q: %+v, %v after %v", reported, o.Waited, o.err, o.took)
			}
		}
		id := build(p.House, p.A.Web, newCommit, coolifytest.Finished)
		pass(10 * time.Second)
		if o := <-verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "", hosting.MaxWait); o.UUID != id || o.Verdict != verdict.VerdictLive {
			t.Errorf("deployed without a push: %+v, %v", o.Waited, o.err)
		}
	})
}

// TestVerdictOfTwoApps: several apps deploy one commit; the caller is asked which,
// and hears of its own only.
func TestVerdictOfTwoApps(t *testing.T) {
	t.Parallel()
	inPushes(t, func(t *testing.T, p *pushes) {
		web, api := build(p.House, p.A.Web, newCommit, coolifytest.Finished), build(p.House, p.A.API, newCommit, coolifytest.Finished)
		p.push(t, "web", newCommit, web)
		p.push(t, "api", newCommit, api)
		p.push(t, "theirs", newCommit, build(p.House, p.B.Web, newCommit, coolifytest.Finished))
		o := <-verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "", hosting.MaxWait)
		e := tenancy.Public(o.err)
		for _, want := range []string{p.A.Web.UUID, p.A.API.UUID, "web", "api"} {
			if !strings.Contains(e.Msg, want) {
				t.Errorf("%q does not name %s", e.Msg, want)
			}
		}
		if e.Code != tenancy.Conflict || strings.Contains(e.Msg, p.B.Web.UUID) || strings.Contains(e.Msg, "theirs") || o.took != 0 {
			t.Errorf("two apps: %+v after %v", e, o.took)
		}
		for app, want := range map[string]string{p.A.Web.UUID: web, p.A.API.Name: api} {
			if o := <-verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, app, hosting.MaxWait); o.err != nil || o.UUID != want {
				t.Errorf("%s: %+v, %v", app, o.Waited, o.err)
			}
		}
		for name, tc := range map[string]struct{ ref, app string }{
			"B's app": {newCommit, p.B.Web.UUID}, "nobody's": {newCommit, nobody}, "another app's deployment": {web, p.A.API.UUID}, "B's deployment": {p.B.Done.UUID, p.A.Web.UUID},
		} {
			if o := <-verdictOn(t.Context(), p.Guard, p.A.Key, tc.ref, tc.app, hosting.MaxWait); codeOf(o.err) != tenancy.NotFound {
				t.Errorf("%s: %+v, %v; want not found", name, o.Waited, o.err)
			}
		}
	})
}

// TestVerdictRevoked: a key that is revoked while it waits, for a push or for an app
// to come up, is told nothing more.
func TestVerdictRevoked(t *testing.T) {
	t.Parallel()
	for name, ref := range map[string]func(p *pushes) string{
		"a push": func(*pushes) string { return newCommit },
		"an app": func(p *pushes) string {
			p.Sim.SetApp(p.A.Web.UUID, func(a *coolifytest.App) { a.HTTPStatus = 502 })
			return p.Sim.AddDeployment(p.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.Finished, FinishedAt: new(time.Now())}).UUID
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inPushes(t, func(t *testing.T, p *pushes) {
				wait := verdictOn(t.Context(), p.Guard, p.A.Key, ref(p), "", hosting.MaxWait)
				pass(time.Second)
				if err := p.DB.RevokeKey(t.Context(), p.A.ID, p.A.KeyID, time.Now()); err != nil {
					t.Fatal(err)
				}
				if o := <-wait; codeOf(o.err) != tenancy.Unauthorized || o.took != tick || o.Verdict != "" {
					t.Errorf("%+v, %v after %v; want unauthorized at the next look", o.Waited, o.err, o.took)
				}
			})
		})
	}
}

// TestVerdictStop: a process that stops keeps nobody waiting for a push or an app.
func TestVerdictStop(t *testing.T) {
	t.Parallel()
	inPushes(t, func(t *testing.T, p *pushes) {
		p.Sim.SetApp(p.A.Web.UUID, func(a *coolifytest.App) { a.HTTPStatus = 502 })
		id := p.Sim.AddDeployment(p.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.Finished, FinishedAt: new(time.Now())}).UUID
		waits := map[verdict.Verdict]<-chan judged{
			verdict.VerdictStillRunning: verdictOn(t.Context(), p.Guard, p.A.Key, newCommit, "", hosting.MaxWait),
			verdict.VerdictUnreachable:  verdictOn(t.Context(), p.Guard, p.A.Key, id, "", hosting.MaxWait),
		}
		pass(time.Second)
		synctest.Wait()
		p.Guard.Stop()
		for want, wait := range waits {
			if o := <-wait; o.err != nil || o.Verdict != want || o.took > 2*time.Second {
				t.Errorf("%+v, %v after %v; want %s at once", o.Waited, o.err, o.took, want)
			}
		}
	})
}

// TestVerdictSize: a verdict costs an agent few tokens, whatever others wrote.
func TestVerdictSize(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		long := strings.Repeat("error \u202e<\"&", 3000)
		id := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.Failed, Commit: newCommit, Message: long, Logs: []coolifytest.LogLine{{Output: long}}}).UUID
		o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", time.Second)
		if n := len(fmt.Sprintf("%+v", o.Waited)); o.err != nil || n > 1_500 || strings.Contains(o.FirstError.String(), "\u202e") {
			t.Errorf("%d bytes, %v: %+v", n, o.err, o.Waited)
		}
		if diff := cmp.Diff([]string{"deployments_logs shows why it failed", "apps_diagnose names likely causes"}, o.Next); diff != "" {
			t.Errorf("next (-want +got)\n%s", diff)
		}
	})
}
