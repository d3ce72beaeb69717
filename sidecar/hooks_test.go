package sidecar_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A hookPost is what is posted to the address of a webhook.
type hookPost struct {
	slug   string
	body   io.Reader
	length int64 // -1 = not told
	header http.Header
}

// post posts, and returns the status and all that is answered but the time.
func (s *server) post(t *testing.T, x hookPost) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/hooks/gitea/"+x.slug, x.body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = x.length
	if x.header != nil {
		req.Header = x.header
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	var head bytes.Buffer
	if err := resp.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, head.String() + string(raw)
}

// postSigned posts what a webhook would, with other headers besides.
func (s *server) postSigned(t *testing.T, slug, key string, body []byte, more ...string) (int, string) {
	t.Helper()
	header := http.Header{"X-Gitea-Event": {"push"}, "X-Gitea-Delivery": {"a-new-one-each-time"}, "X-Gitea-Signature": {hookSign(key, body)}, "Content-Type": {"application/json"}}
	for i := 0; i < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return s.post(t, hookPost{slug, bytes.NewReader(body), int64(len(body)), header})
}

func hookSign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// hookKey is what the webhook of a tenant's organisation signs with.
func (s *server) hookKey(t *testing.T, x *tenancytest.Tenant) string {
	t.Helper()
	for _, o := range s.Git.Snapshot().Orgs {
		if o.Name == x.GiteaOrg && len(o.Hooks) == 1 {
			return o.Hooks[0].Secret
		}
	}
	t.Fatalf("%s has no webhook", x.GiteaOrg)
	return ""
}

// project returns a tenant's only project.
func (s *server) project(t *testing.T, x *tenancytest.Tenant) tenancy.Project {
	t.Helper()
	list, err := s.DB.Projects(t.Context(), x.ID)
	if err != nil || len(list) != 1 {
		t.Fatalf("projects %+v %v", list, err)
	}
	return list[0]
}

// TestHooks: one answer to all that is signed, another to all that is not.
func TestHooks(t *testing.T) {
	tenancytest.NeedGit(t)
	s := newServer(t, tenancytest.Config{})
	s.AddRepository(t, s.A, "site")
	s.AddRepository(t, s.B, "site")
	a, b := s.project(t, s.A), s.project(t, s.B)
	key := s.hookKey(t, s.A)
	body := func(id int64) []byte {
		return fmt.Appendf(nil, `{"ref":"refs/heads/main","repository":{"id":%d,"full_name":"vibn-beta/site"}}`, id)
	}
	own := body(a.RepositoryID)

	status, refusal := s.postSigned(t, "nobody", key, own)
	if status != http.StatusNotFound || !strings.Contains(refusal, `"not_found"`) {
		t.Fatalf("%d %s", status, refusal)
	}
	for name, ask := range map[string]func() (int, string){
		"a wrong secret": func() (int, string) { return s.postSigned(t, s.A.Slug, "wrong", own) },
		"another's":      func() (int, string) { return s.postSigned(t, s.A.Slug, s.hookKey(t, s.B), own) },
		"no signature":   func() (int, string) { return s.postSigned(t, s.A.Slug, key, own, "X-Gitea-Signature", "") },
		"another header": func() (int, string) {
			return s.postSigned(t, s.A.Slug, key, own, "X-Gitea-Signature", "", "X-Hub-Signature-256", "sha256="+hookSign(key, own))
		},
		"a key as bearer": func() (int, string) {
			return s.postSigned(t, s.A.Slug, "wrong", own, "Authorization", "Bearer "+s.A.Key)
		},
	} {
		if gotStatus, got := ask(); gotStatus != status || got != refusal {
			t.Errorf("%s: %d %s\nwant the answer to what is not there\n%s", name, gotStatus, got, refusal)
		}
	}
	if p := s.project(t, s.A); p.PushWanted != 0 {
		t.Errorf("%d pushes are wanted", p.PushWanted)
	}

	s.Sim.Reset()
	s.Git.Reset()
	status, accepted := s.postSigned(t, s.A.Slug, key, own)
	if status != http.StatusAccepted || !strings.HasSuffix(accepted, "{\"accepted\":true}\n") {
		t.Fatalf("%d %s", status, accepted)
	}
	for name, ask := range map[string]func() (int, string){
		"the same with a new delivery id": func() (int, string) { return s.postSigned(t, s.A.Slug, key, own, "X-Gitea-Delivery", "another") },
		"another's repository":            func() (int, string) { return s.postSigned(t, s.A.Slug, key, body(b.RepositoryID)) },
		"nobody's repository":             func() (int, string) { return s.postSigned(t, s.A.Slug, key, body(1<<40)) },
		"another event": func() (int, string) {
			return s.postSigned(t, s.A.Slug, key, append(own, ' '), "X-Gitea-Event", "create")
		},
		"no JSON": func() (int, string) { return s.postSigned(t, s.A.Slug, key, []byte("payload=")) },
	} {
		if gotStatus, got := ask(); gotStatus != status || got != accepted {
			t.Errorf("%s: %d %s\nwant the answer to what is accepted\n%s", name, gotStatus, got, accepted)
		}
	}
	if wantedA, wantedB := s.project(t, s.A).PushWanted, s.project(t, s.B).PushWanted; wantedA != 1 || wantedB != 0 {
		t.Errorf("wanted %d, and %d of the other's; want one and none", wantedA, wantedB)
	}
	if n := len(s.Sim.Requests()) + len(s.Git.Requests()); n != 0 {
		t.Errorf("%d requests to Coolify and Gitea", n)
	}
	if log := s.Log.String(); strings.Contains(log, key) || !strings.Contains(log, `"msg":"webhook"`) {
		t.Error("the log has the secret, or no line about what was delivered")
	}
}

// TestHooksAreGuarded: what holds for all routes holds for this one.
func TestHooksAreGuarded(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	key, body := s.hookKey(t, s.A), []byte(`{}`)
	for name, header := range map[string][]string{
		"a page of another origin": {"Origin", "https://example.org"},
		"a browser elsewhere":      {"Sec-Fetch-Site", "cross-site"},
		"another name":             {"Host", "example.org"},
	} {
		if status, got := s.postSigned(t, s.A.Slug, key, body, header...); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	if status, got := s.postSigned(t, s.A.Slug, key, body, "Host", "vibn.example.com"); status != http.StatusAccepted {
		t.Errorf("the public name: %d %s", status, got)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if got := s.ask(t, question{method: method, path: "/hooks/gitea/" + s.A.Slug}); got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", method, got.status, got.body)
		}
	}
}

// TestHookBodies: a body of more than 1 MiB is refused, whether its length is told
// or not, before anybody asks whose it is.
func TestHookBodies(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	key := s.hookKey(t, s.A)
	const most = 1 << 20
	exact := bytes.Repeat([]byte(" "), most)
	if status, got := s.postSigned(t, s.A.Slug, key, exact); status != http.StatusAccepted {
		t.Errorf("1 MiB: %d %s", status, got)
	}
	larger := append(exact, ' ')
	for name, x := range map[string]hookPost{
		"1 MiB and a byte":           {s.A.Slug, bytes.NewReader(larger), most + 1, nil},
		"10 MB":                      {s.A.Slug, bytes.NewReader(make([]byte, 10_000_000)), 10_000_000, nil},
		"10 MB for nobody":           {"nobody", bytes.NewReader(make([]byte, 10_000_000)), 10_000_000, nil},
		"1 MiB and a byte, not told": {s.A.Slug, bytes.NewReader(larger), -1, nil},
		"10 MB whose length is no secret, but not told": {s.A.Slug, bytes.NewReader(make([]byte, 10_000_000)), -1, nil},
	} {
		x.header = http.Header{"X-Gitea-Event": {"push"}, "X-Gitea-Signature": {hookSign(key, larger)}}
		if status, got := s.post(t, x); status != http.StatusRequestEntityTooLarge || !strings.Contains(got, `"invalid"`) {
			t.Errorf("%s: %d %.300s", name, status, got)
		}
	}
}

// TestHookFlood: one address that posts too much is told to wait.
func TestHookFlood(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for range 3000 {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/hooks/gitea/nobody", http.NoBody)
		r.Host, r.RemoteAddr = "localhost", "192.0.2.1:1"
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code == http.StatusTooManyRequests {
			r.RemoteAddr = "192.0.2.2:1"
			w = httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			if w.Code != http.StatusNotFound {
				t.Errorf("another address: %d %s", w.Code, w.Body)
			}
			return
		}
	}
	t.Error("nothing is refused")
}

// pushHouse is a server at an address that Gitea reaches, with its jobs, and a
// Coolify that builds by itself what it finds in Gitea.
func pushHouse(t *testing.T) *server {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	public := &url.URL{Scheme: "http", Host: srv.Listener.Addr().String()}
	h := tenancytest.New(t, tenancytest.Config{
		Simulator: coolifytest.Config{BuildTime: 20 * time.Millisecond}, GiteaServer: giteatest.Config{LoopbackHooks: true}, PublicURL: public,
	})
	s := &server{House: h, registry: mcp.New(h.Logger), url: public.String()}
	s.handler = sidecar.Handler(sidecar.Config{
		Guard: h.Guard, Registry: s.registry, PublicURL: public, Ready: func(context.Context) error { return nil }, Version: "test", Log: h.Logger,
	})
	srv.Config.Handler = s.handler
	srv.Start()
	t.Cleanup(srv.Close)
	s.client = srv.Client()
	h.Sim.OnResolve(func(repository, branch string) string {
		_, name, _ := strings.Cut(repository, ":")
		return h.Git.Head(strings.TrimSuffix(name, ".git"), branch)
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	worked := make(chan error, 1)
	go func() {
		worked <- h.DB.Work(ctx, store.Jobs{
			Provision: h.Provisioner.Provision, Push: push.New(h.Guard).Push, Sweep: func(context.Context) error { return nil },
		}, h.Logger)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-worked; err != nil {
			t.Errorf("jobs: %v", err)
		}
	})
	return s
}

// A checkout is a clone of a tenant's repository.
type checkout struct {
	t    *testing.T
	dir  string
	home string
}

func (s *server) clone(t *testing.T, x *tenancytest.Tenant, name string) *checkout {
	t.Helper()
	c := &checkout{t, filepath.Join(t.TempDir(), "site"), t.TempDir()}
	creds, err := repository.Credentials(t.Context(), s.Open(t, x.Key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.GitURL + "/" + x.GiteaOrg + "/" + name + ".git")
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(creds.Username, creds.Token.Reveal())
	c.git("", "clone", "-q", u.String(), c.dir)
	return c
}

func (c *checkout) git(in string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", args...)
	cmd.Dir = in
	cmd.Env = []string{
		"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a commit and returns it.
func (c *checkout) commit(message string) string {
	c.t.Helper()
	c.git(c.dir, "commit", "-q", "--allow-empty", "-m", message)
	return c.git(c.dir, "rev-parse", "HEAD")
}

// TestPushIsTheDeploy pushes with git, and all else comes about by itself: Gitea's
// webhook, the job, the deployment, and what Gitea shows of the commit.
func TestPushIsTheDeploy(t *testing.T) {
	tenancytest.NeedGit(t)
	s := pushHouse(t)
	s.AddRepository(t, s.A, "site")
	s.AddRepository(t, s.B, "site")
	project, repo := s.project(t, s.A), s.A.GiteaOrg+"/site"
	app := s.Sim.AddApp(s.A.Project.Environments[0].UUID, coolifytest.App{Name: "site", GitRepository: "git@git.example.com:" + repo + ".git"})
	rec := tenancy.AppRecord{
		ID: "app", WorkspaceID: s.A.ID, ProjectID: project.ID, Name: "site", Nonce: strings.Repeat("0", 32), Head: s.Git.Head(repo, "main"), CreatedAt: time.Now(),
	}
	if err := s.DB.CreateApp(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if err := s.DB.RecordApp(t.Context(), s.A.ID, rec.ID, app.UUID, true); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	s.Git.OnRequest(func(r giteatest.Request) error {
		if _, sha, ok := strings.Cut(r.Path, "/statuses/"); ok && r.Write && strings.Contains(r.Body, `"success"`) {
			said <- sha
		}
		return nil
	})
	succeeds := func(sha string) {
		t.Helper()
		for {
			select {
			case got := <-said:
				if got == sha {
					return
				}
			case <-storetest.LastMoment(t):
				t.Fatalf("nothing is said of %s; deliveries %+v\n%s", sha, s.Git.Deliveries(), s.Log)
			}
		}
	}
	c := s.clone(t, s.A, "site")
	first := c.commit("first")
	c.git(c.dir, "push", "-q", "origin", "main")
	succeeds(first)
	c.git(c.dir, "tag", "v1")
	c.git(c.dir, "push", "-q", "origin", "v1")
	c.git(c.dir, "push", "-q", "origin", "main:next")
	c.git(c.dir, "push", "-q", "origin", "--delete", "next")
	second := c.commit("second")
	c.git(c.dir, "push", "-q", "origin", "main")
	succeeds(second)
	c.git(c.dir, "reset", "-q", "--hard", "HEAD~2")
	third := c.commit("another history")
	c.git(c.dir, "push", "-q", "--force", "origin", "main")
	succeeds(third)

	var commits []string
	for _, d := range s.Sim.Deployments(app.UUID) {
		commits = append(commits, d.Commit)
	}
	if diff := cmp.Diff([]string{first, second, third}, commits); diff != "" {
		t.Errorf("deployments (-want +got)\n%s", diff)
	}
	if err := s.Git.WaitDeliveries(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliveries := s.Git.Deliveries()
	for _, d := range deliveries {
		if d.Status != http.StatusAccepted {
			t.Errorf("delivery %+v", d)
		}
	}
	wanted := s.project(t, s.A).PushWanted
	last := deliveries[len(deliveries)-1]
	if status, got := s.postSigned(t, s.A.Slug, s.hookKey(t, s.A), []byte(last.Body)); status != http.StatusAccepted {
		t.Errorf("the last delivery again: %d %s", status, got)
	}
	if now := s.project(t, s.A).PushWanted; now != wanted {
		t.Errorf("the last delivery again is %d more to look at", now-wanted)
	}
	for _, r := range s.Git.Snapshot().Repos {
		if r.Owner == s.B.GiteaOrg && len(r.Statuses)+len(r.Hooks) != 0 {
			t.Errorf("the other tenant's repository has %+v", r)
		}
	}
	if i := slices.IndexFunc(s.Git.Requests(), func(r giteatest.Request) bool {
		return r.Write && strings.Contains(r.Path, "vibn-beta") && strings.Contains(r.Path, "/statuses/")
	}); i >= 0 {
		t.Error("something was said of the other tenant's commits")
	}
	s.Fine(t)
}

// TestStrangersAtTheWebhook: whoever sends many half bodies, from many addresses, takes
// no place of Gitea's.
func TestStrangersAtTheWebhook(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	var posting sync.WaitGroup
	var slow []*io.PipeWriter
	post := func(address string, body io.Reader, signature string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/hooks/gitea/"+s.A.Slug, body)
		r.Host, r.RemoteAddr = "localhost", address
		r.Header.Set("X-Gitea-Signature", signature)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w
	}
	for i := range 200 {
		body, in := io.Pipe()
		slow = append(slow, in)
		posting.Go(func() {
			post(fmt.Sprintf("192.0.2.%d:1", i%10), body, "")
			_ = body.Close() // what was refused is not read
		})
		if _, err := in.Write(make([]byte, 64<<10)); err != nil {
			t.Errorf("half body %d is not read: %v", i, err)
			break
		}
	}
	signed := []byte("{}")
	if w := post("198.51.100.1:1", bytes.NewReader(signed), hookSign(s.hookKey(t, s.A), signed)); w.Code != http.StatusAccepted {
		t.Errorf("Gitea's delivery: %d %s", w.Code, w.Body)
	}
	for _, in := range slow {
		_ = in.Close()
	}
	posting.Wait()
}

// TestHookRefusalsTakeTheirTime: the time of a refusal does not tell whether there is such
// a workspace.
func TestHookRefusalsTakeTheirTime(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, slug := range []string{s.A.Slug, "nobody", "NOT A SLUG"} {
		began := time.Now()
		if status, got := s.postSigned(t, url.PathEscape(slug), "wrong", []byte("{}")); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", slug, status, got)
		}
		if took := time.Since(began); took < 50*time.Millisecond {
			t.Errorf("%s is refused after %v, sooner than a look-up may end", slug, took)
		}
	}
}
