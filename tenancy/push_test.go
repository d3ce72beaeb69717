package tenancy_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// pushing makes a subject that has a repository with a first commit, and an app
// that is built from its branch main.
func pushing(t *testing.T, f *platform, slug string) *subject {
	t.Helper()
	s := &subject{T: t, platform: f, slug: slug}
	s.owner = int64(s.git.AddUser(giteatest.User{Login: "owner-of-" + slug}).ID)
	withApp(s, s.start(t, nothing, 0))
	return s
}

func newPushing(t *testing.T) *subject {
	t.Helper()
	return pushing(t, newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{}), "acme")
}

// withApp makes a workspace with a repository that has a commit, and an app.
func withApp(s *subject, p *process) {
	s.Helper()
	tenancytest.NeedGit(s.T)
	s.cool.OnResolve(func(repository, branch string) string {
		_, name, _ := strings.Cut(repository, ":")
		return s.git.Head(strings.TrimSuffix(name, ".git"), branch)
	})
	withSite(s, p)
	s.push("main")
	s.app("web", "main")
}

func (s *subject) repo() string      { return s.org() + "/site" }
func (s *subject) projectID() string { return "project-" + s.slug }

// push pushes one more commit to a branch, and returns it.
func (s *subject) push(branch string) string {
	s.Helper()
	return s.pushSaying(branch, "change the site")
}

func (s *subject) pushSaying(branch, message string) string {
	s.Helper()
	s.pushes++
	sha, err := s.git.Push(s.repo(), branch, message, map[string]string{"index.html": fmt.Sprint(s.pushes)})
	must(s, err)
	return sha
}

// force makes the branch main name another commit, or none, as a forced push does.
func (s *subject) force(sha string) {
	s.Helper()
	dir, err := s.git.GitDir(s.repo())
	must(s, err)
	args := []string{"-C", dir, "update-ref", "refs/heads/main", sha}
	if sha == "" {
		args = []string{"-C", dir, "update-ref", "-d", "refs/heads/main"}
	}
	if out, err := exec.CommandContext(s.Context(), "git", args...).CombinedOutput(); err != nil {
		s.Fatalf("%v: %s", err, out)
	}
	s.push("elsewhere") // the simulator looks at all branches then
	if got := s.git.Head(s.repo(), "main"); got != sha {
		s.Fatalf("main is at %q, want %q", got, sha)
	}
}

// app makes an app that follows a branch, as apps.create does.
func (s *subject) app(name, branch string) tenancy.AppRecord {
	s.Helper()
	i := slices.IndexFunc(s.cool.Projects(), func(p coolifytest.Project) bool { return p.UUID == s.first.Parts.CoolifyProject })
	a := s.cool.AddApp(s.cool.Projects()[i].Environments[0].UUID, coolifytest.App{
		Name: name, GitBranch: branch, GitRepository: "git@git.example.com:" + s.repo() + ".git",
	})
	rec := tenancy.AppRecord{
		ID: "app-" + s.slug + "-" + name, WorkspaceID: s.ws.ID, ProjectID: s.projectID(), Name: name, Nonce: strings.Repeat("0", 32), Head: s.git.Head(s.repo(), branch),
		CreatedAt: s.clock.Now(),
	}
	must(s, s.db.CreateApp(s.Context(), rec))
	must(s, s.db.RecordApp(s.Context(), s.ws.ID, rec.ID, a.UUID, true))
	return s.record(name)
}

func (s *subject) record(name string) tenancy.AppRecord {
	s.Helper()
	list, err := s.db.AppRecords(s.Context(), s.ws.ID)
	must(s, err)
	i := slices.IndexFunc(list, func(a tenancy.AppRecord) bool { return a.Name == name })
	if i < 0 {
		s.Fatalf("no app %s in %+v", name, list)
	}
	return list[i]
}

func (s *subject) repositoryID() int64 {
	s.Helper()
	list, err := s.db.Projects(s.Context(), s.ws.ID)
	must(s, err)
	return list[0].RepositoryID
}

// body is what a webhook posts about a repository; what else stands in it is
// nobody's business.
func body(repositoryID int64, more string) []byte {
	raw, _ := json.Marshal(map[string]any{
		"ref": "refs/heads/main", "after": strings.Repeat("f", 40), "repository": map[string]any{"id": repositoryID, "full_name": "vibn-beta/site"}, "more": more,
	})
	return raw
}

// hookSecret is what Gitea's webhook of the workspace signs with.
func (s *subject) hookSecret() string {
	s.Helper()
	for _, o := range s.git.Snapshot().Orgs {
		if o.Name == s.org() && len(o.Hooks) == 1 {
			return o.Hooks[0].Secret
		}
	}
	s.Fatal("there is no webhook")
	return ""
}

func signed(key string, raw []byte) push.Delivery {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(raw)
	return push.Delivery{Event: "push", Signature: hex.EncodeToString(mac.Sum(nil)), Body: raw}
}

// told delivers what the webhook posts after a push.
func (s *subject) told(p *process) {
	s.Helper()
	s.pushes++
	must(s, push.TakeDelivery(s.Context(), p.guard, s.slug, signed(s.hookSecret(), body(s.repositoryID(), fmt.Sprint(s.pushes)))))
}

// wanted says how many pushes are not yet looked at.
func (s *subject) wanted() int64 {
	s.Helper()
	list, err := s.db.Projects(s.Context(), s.ws.ID)
	must(s, err)
	return list[0].PushWanted - list[0].PushDone
}

// look does once what the job of a push does.
func (s *subject) look(p *process) (time.Duration, error) {
	s.Helper()
	return push.New(p.guard).Push(s.Context(), s.ws.ID, s.projectID())
}

// watching is the wait of a job that has nothing left to do but to see whether the outcome
// that it reported lasts.
const watching = 30 * time.Second

// settle does the job of a push until it is done, or only watches, while Coolify builds.
func (s *subject) settle(p *process) error {
	for range 30 {
		again, err := push.New(p.guard).Push(s.Context(), s.ws.ID, s.projectID())
		if err != nil || again == 0 || again == watching {
			return err
		}
		s.build()
	}
	return errors.New("the job of a push does not end")
}

// build moves every deployment of the subject's apps on.
func (s *subject) build() {
	list, err := s.db.AppRecords(s.Context(), s.ws.ID)
	must(s, err)
	for _, a := range list {
		for _, d := range s.cool.Deployments(a.UUID) {
			s.cool.Advance(d.UUID)
		}
	}
}

// deployed lists the commits that an app's deployments are of, oldest first.
func (s *subject) deployed(name string) []string {
	s.Helper()
	commits := []string{}
	for _, d := range s.cool.Deployments(s.record(name).UUID) {
		commits = append(commits, d.Commit)
	}
	return commits
}

// said lists what was said of a commit for an app, the last word last.
func (s *subject) said(name, commit string) []giteatest.Status {
	s.Helper()
	var all []giteatest.Status
	for _, r := range s.git.Snapshot().Repos {
		if r.Owner+"/"+r.Name != s.repo() {
			continue
		}
		for _, st := range r.Statuses {
			if st.SHA == commit && st.Context == "vibn/"+name {
				all = append(all, st)
			}
		}
	}
	slices.SortFunc(all, func(a, b giteatest.Status) int { return a.ID - b.ID })
	return all
}

func (s *subject) states(name, commit string) []string {
	s.Helper()
	states := []string{}
	for _, st := range s.said(name, commit) {
		states = append(states, st.State)
	}
	return states
}

func (s *subject) fine() {
	s.Helper()
	for _, v := range append(s.git.Violations(), s.cool.Violations()...) {
		s.Errorf("simulator: %s", v)
	}
}

func want[T any](s *subject, what string, want, got T) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

// TestPush: what is pushed is deployed once, on record, and Gitea is told.
func TestPush(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments before a push", []string{}, s.deployed("web"))

	head := s.push("main")
	s.told(p)
	again, err := s.look(p)
	if err != nil || again <= 0 {
		t.Fatalf("again %v, %v", again, err)
	}
	want(s, "states while it is queued", []string{"pending"}, s.states("web", head))
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
	want(s, "states", []string{"pending", "success"}, s.states("web", head))
	for _, st := range s.said("web", head) {
		if st.TargetURL != "https://vibn.example.com/w/acme/apps/"+s.record("web").UUID || st.Creator != s.bot() || st.Description == "" {
			t.Errorf("status %+v", st)
		}
	}
	if n := s.wanted(); n != 0 {
		t.Errorf("%d pushes are not looked at", n)
	}
	entries, err := s.db.Audit(t.Context(), s.ws.ID, tenancy.AuditQuery{Tool: "apps.deploy", Limit: 10})
	must(t, err)
	if len(entries) != 1 || entries[0].Principal != "hook" || entries[0].Client != "push" || entries[0].Outcome != "ok" ||
		entries[0].Target != s.record("web").UUID || !strings.Contains(entries[0].Args, head) {
		t.Errorf("on record: %+v", entries)
	}

	s.told(p) // the same again, and what is no branch of an app's
	s.push("elsewhere")
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments after nothing new", []string{head}, s.deployed("web"))
	want(s, "states after nothing new", []string{"pending", "success"}, s.states("web", head))
	s.fine()
}

// TestPushForced: of commits that replace each other the present one counts, also
// one that was deployed before.
func TestPushForced(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	var commits []string
	for range 2 {
		commits = append(commits, s.push("main"))
		s.told(p)
		must(t, s.settle(p))
	}
	s.force(commits[0])
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments", []string{commits[0], commits[1], commits[0]}, s.deployed("web"))
	want(s, "states of the first", []string{"pending", "success", "pending", "success"}, s.states("web", commits[0]))

	s.force(commits[1]) // and back before anybody looks
	s.force(commits[0])
	s.told(p)
	must(t, s.settle(p))
	if n := len(s.deployed("web")); n != 3 {
		t.Errorf("%d deployments, want none for a branch that is where it was", n)
	}

	s.force("")
	s.told(p)
	must(t, s.settle(p))
	if n, w := len(s.deployed("web")), s.wanted(); n != 3 || w != 0 {
		t.Errorf("%d deployments, %d not looked at; want nothing done for a branch that is gone", n, w)
	}
	s.force(commits[1])
	s.told(p)
	must(t, s.settle(p))
	if got := s.deployed("web"); len(got) != 4 || got[3] != commits[1] {
		t.Errorf("deployments %v, want that of the branch that is back", got)
	}
	s.fine()
}

// TestPushBranches: each app follows its own branch.
func TestPushBranches(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.push("next")
	s.app("preview", "next")
	s.app("twin", "main")
	head := s.push("main")
	s.told(p)
	must(t, s.settle(p))
	next := s.push("next")
	s.told(p)
	must(t, s.settle(p))
	want(s, "of web", []string{head}, s.deployed("web"))
	want(s, "of its twin", []string{head}, s.deployed("twin"))
	want(s, "of the other branch's", []string{next}, s.deployed("preview"))
	want(s, "states of the twin", []string{"pending", "success"}, s.states("twin", head))
	want(s, "states of the other", []string{"pending", "success"}, s.states("preview", next))
}

// TestPushSkipped: a commit may ask not to be deployed, and the next one is.
func TestPushSkipped(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	for _, message := range []string{"docs [skip ci]", "more\n\n[Skip CD]"} {
		sha := s.pushSaying("main", message)
		s.told(p)
		must(t, s.settle(p))
		want(s, message, []string{}, s.deployed("web"))
		want(s, "states of "+message, []string{}, s.states("web", sha))
	}
	head := s.push("main")
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
}

// TestPushFails: Gitea is told how a deployment failed.
func TestPushFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(s *subject, uuid string)
		says string
	}{
		"a build that fails": {func(s *subject, uuid string) { s.cool.SetApp(uuid, func(a *coolifytest.App) { a.FailNext = true }) }, "failed"},
		"an app kept at another": {func(s *subject, uuid string) {
			s.cool.SetApp(uuid, func(a *coolifytest.App) { a.GitCommitSHA = strings.Repeat("a", 40) })
		}, "another commit"},
		"one that is refused": {
			func(s *subject, uuid string) {
				s.cool.SetApp(uuid, func(a *coolifytest.App) { a.BuildPack = "nixpacks" })
			}, `"nixpacks" could reach the host`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPushing(t)
			p := s.start(t, nothing, 0)
			tc.do(s, s.record("web").UUID)
			head := s.push("main")
			s.told(p)
			must(t, s.settle(p))
			said := s.said("web", head)
			if len(said) == 0 || said[len(said)-1].State != "failure" || !strings.Contains(said[len(said)-1].Description, tc.says) || len(said[len(said)-1].Description) > 255 {
				t.Errorf("said %+v", said)
			}
			before := len(s.said("web", head))
			s.told(p)
			must(t, s.settle(p))
			if now := len(s.said("web", head)); now != before {
				t.Errorf("it is said %d times, then %d", before, now)
			}
			if entries, err := s.db.Audit(t.Context(), s.ws.ID, tenancy.AuditQuery{Tool: "apps.deploy", Limit: 10}); err != nil || len(entries) != 1 {
				t.Errorf("on record: %+v %v", entries, err)
			}
		})
	}
}

// TestPushOvertaken: a push that comes while the one before is built is deployed as
// well, and the commit before is told.
func TestPushOvertaken(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	first := s.push("main")
	s.told(p)
	_, err := s.look(p)
	must(t, err)
	s.build() // it knows its commit now
	second := s.push("main")
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments", []string{first, second}, s.deployed("web"))
	want(s, "states of the first", []string{"pending", "warning"}, s.states("web", first))
	want(s, "states of the second", []string{"pending", "success"}, s.states("web", second))

	third := s.push("main") // one whose deployment has ended unseen is told how
	s.told(p)
	_, err = s.look(p)
	must(t, err)
	s.build()
	s.build()
	s.push("main")
	s.told(p)
	must(t, s.settle(p))
	want(s, "states of the third", []string{"pending", "success"}, s.states("web", third))
}

// TestPushWhileQueued: Coolify queues no second deployment while one waits that does
// not know its commit yet, and that one finds the newest.
func TestPushWhileQueued(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.push("main")
	s.told(p)
	_, err := s.look(p)
	must(t, err)
	head := s.push("main")
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
	want(s, "states", []string{"pending", "success"}, s.states("web", head))
	if s.wanted() != 0 {
		t.Error("a push is not looked at")
	}
}

// TestPushLooksAreShared: what runs costs one request for all, and none for each.
func TestPushLooksAreShared(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	for _, name := range []string{"b", "c", "d"} {
		s.app(name, "main")
	}
	p := s.start(t, nothing, 0)
	s.push("main")
	s.told(p)
	_, err := s.look(p)
	must(t, err)
	s.cool.Reset()
	s.git.Reset()
	for range 10 {
		if again, err := s.look(p); err != nil || again <= 0 {
			t.Fatalf("again %v, %v", again, err)
		}
	}
	for _, r := range s.cool.Requests() {
		if r.Operation != "GET /deployments" {
			t.Errorf("while it runs, Coolify is asked for %s", r.Operation)
		}
	}
	if n := len(s.git.Requests()); n != 0 {
		t.Errorf("while it runs, Gitea is asked %d times", n)
	}
}

// TestPushQueueFull: Coolify names a deployment that does not exist. The push is
// not lost.
func TestPushQueueFull(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.cool.QueueLimit(0)
	head := s.push("main")
	s.told(p)
	for range 3 {
		if _, err := s.look(p); err == nil {
			t.Error("a deployment that does not exist is no error")
		}
		want(s, "deployments of a full queue", []string{}, s.deployed("web"))
	}
	s.cool.QueueLimit(5)
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
	if states := s.states("web", head); states[len(states)-1] != "success" {
		t.Errorf("states %v", states)
	}
}

// TestPushOutage: while Coolify or Gitea is down nothing is lost, and what the job
// keeps of it says nothing of theirs.
func TestPushOutage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ down, up func(*subject) }{
		"coolify": {
			func(s *subject) {
				s.cool.Fail("GET /applications/{uuid}", coolifytest.Fault{Status: 503, Body: `{"message":"secret-of-coolify"}`})
			},
			func(s *subject) { s.cool.Clear("GET /applications/{uuid}") },
		},
		"coolify's list": {
			func(s *subject) {
				s.cool.Fail("GET /deployments", coolifytest.Fault{Status: 503, Body: `{"message":"secret-of-coolify"}`})
			},
			func(s *subject) { s.cool.Clear("GET /deployments") },
		},
		"gitea": {
			func(s *subject) {
				s.git.Fail("GET /repos/{owner}/{repo}", giteatest.Fault{Status: 502, Body: `secret-of-gitea`})
			},
			func(s *subject) { s.git.Clear("GET /repos/{owner}/{repo}") },
		},
		"gitea's statuses": {
			func(s *subject) {
				s.git.Fail("POST /repos/{owner}/{repo}/statuses/{sha}", giteatest.Fault{Status: 502, Body: `secret-of-gitea`})
			},
			func(s *subject) { s.git.Clear("POST /repos/{owner}/{repo}/statuses/{sha}") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPushing(t)
			p := s.start(t, nothing, 0)
			head := s.push("main")
			s.told(p)
			tc.down(s)
			for range 3 {
				if _, err := s.look(p); err == nil || strings.Contains(err.Error(), "secret-of") {
					t.Errorf("while it is down: %v", err)
				}
			}
			tc.up(s)
			must(t, s.settle(p))
			want(s, "deployments", []string{head}, s.deployed("web"))
			want(s, "states", []string{"pending", "success"}, s.states("web", head))
		})
	}
}

// TestPushOneInTrouble: an app whose deployment cannot be asked for holds up no other.
func TestPushOneInTrouble(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	s.app("a-first", "main")
	p := s.start(t, nothing, 0)
	s.cool.Fail("POST /applications/{uuid}/start", coolifytest.Fault{Status: 500, Times: 1})
	head := s.push("main")
	s.told(p)
	if again, err := s.look(p); err != nil || again <= 0 {
		t.Fatalf("again %v, %v: want another look, as one runs", again, err)
	}
	want(s, "deployments of the other", 1, len(s.deployed("web")))
	must(t, s.settle(p))
	want(s, "deployments of the one in trouble", []string{head}, s.deployed("a-first"))
	want(s, "deployments of the other at last", []string{head}, s.deployed("web"))
}

// TestPushClosed: what is suspended or deleted before the job, or while it waits
// for its turn, is not deployed.
func TestPushClosed(t *testing.T) {
	t.Parallel()
	for name, shut := range map[string]func(*subject, *process) error{
		"suspended": func(s *subject, p *process) error { return p.operator.Suspend(s.Context(), s.ws) },
		"deleted":   func(s *subject, p *process) error { return p.operator.DeleteWorkspace(s.Context(), s.ws) },
	} {
		t.Run(name+" before", func(t *testing.T) {
			t.Parallel()
			s := newPushing(t)
			p := s.start(t, nothing, 0)
			s.push("main")
			s.told(p)
			must(t, shut(s, p))
			s.cool.Reset()
			if again, err := s.look(p); err != nil || again != 0 {
				t.Errorf("again %v, %v", again, err)
			}
			if n := len(s.cool.Requests()); n != 0 {
				t.Errorf("%d requests to Coolify", n)
			}
		})
		t.Run(name+" meanwhile", func(t *testing.T) {
			t.Parallel()
			s := newPushing(t)
			p := s.start(t, overtaken, 0)
			s.told(s.start(t, nothing, 0))
			s.push("main")
			p.on = "GET /api/v1/deployments/applications/" + s.record("web").UUID
			shutIt := 0
			p.meanwhile = func() {
				shutIt++
				must(t, shut(s, s.start(t, nothing, 0)))
			}
			_, err := s.look(p)
			want(s, "deployments", []string{}, s.deployed("web"))
			if err == nil || shutIt != 1 {
				t.Errorf("%v, shut %d times", err, shutIt)
			}
			if again, err := s.look(s.start(t, nothing, 0)); err != nil || again != 0 {
				t.Errorf("the next look: again %v, %v", again, err)
			}
		})
	}
}

// TestPushResumed: what was pushed while a workspace was suspended, or was told to
// nobody, is found when its parts are looked at.
func TestPushResumed(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	must(t, p.operator.Suspend(t.Context(), s.ws))
	must(t, s.job(t.Context(), p))
	head := s.push("main")
	must(t, p.operator.Resume(t.Context(), s.ws))
	must(t, s.job(t.Context(), p))
	if s.wanted() == 0 {
		t.Fatal("no look is wanted")
	}
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
}

// TestPushOfOthers: a repository that took the place of the recorded one, an app
// that is another's, and one that is being deleted are left alone.
func TestPushOfOthers(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	foreign := s.app("foreign", "main")
	f.cool.MoveApp(foreign.UUID, f.cool.Projects()[len(f.cool.Projects())-1].Environments[0].UUID)
	deleted := s.app("deleted", "main")
	must(t, s.db.MarkAppDeleting(t.Context(), s.ws.ID, deleted.ID, s.clock.Now()))
	head := s.push("main")
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments of the own app", []string{head}, s.deployed("web"))
	want(s, "of the one that was moved", []string{}, s.deployed("foreign"))
	want(s, "of the one that is deleted", []string{}, s.deployed("deleted"))
	want(s, "of the other workspace", []string{}, other.deployed("web"))
}

// TestPushWithoutToken: while the bot has no token that works, a push waits.
func TestPushWithoutToken(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	head := s.push("main")
	s.told(p)
	must(t, p.operator.Rotate(t.Context(), s.ws))
	if _, err := s.look(p); err == nil {
		t.Error("a push is seen to without a token")
	}
	must(t, s.job(t.Context(), p))
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
	want(s, "states", []string{"pending", "success"}, s.states("web", head))
}

// TestPushOnABudget: where the workspace's share of Coolify's requests does not do
// for all its apps at once, each gets its turn.
func TestPushOnABudget(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	for i := range 5 {
		s.app(fmt.Sprintf("app-%d", i), "main")
	}
	s.told(s.start(t, nothing, 0))
	must(t, s.settle(s.start(t, nothing, 0)))
	head := s.push("main")
	s.told(s.start(t, nothing, 0))
	looks := 0
	for s.wanted() > 0 && looks < 10 {
		looks++
		s.requests = 10 // what a new process may ask; it gets no more
		p := s.start(t, nothing, 0)
		again, err := s.look(p)
		must(t, err)
		if s.wanted() > 0 && again < 15*time.Second {
			t.Errorf("again %v, want it to wait for its share", again)
		}
	}
	s.requests = 0
	must(t, s.settle(s.start(t, nothing, 0)))
	for i := range 5 {
		want(s, "deployments", []string{head}, s.deployed(fmt.Sprintf("app-%d", i)))
	}
	if looks < 3 {
		t.Errorf("%d looks did for all: the budget was none", looks)
	}
}
