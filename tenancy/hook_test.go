package tenancy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A posted is something that comes to the address of a webhook.
type posted struct {
	name, slug string
	d          push.Delivery
}

// forged lists what no webhook of a workspace's posts.
func forged(s, other *subject) []posted {
	raw := body(s.repositoryID(), "forged")
	good := signed(s.hookSecret(), raw)
	changed := func(change func(*push.Delivery)) push.Delivery {
		d := good
		change(&d)
		return d
	}
	return []posted{
		{"no workspace", "nobody", good},
		{"no name", "", good},
		{"a name that is none", "../../etc", good},
		{"another workspace", other.slug, good},
		{"another's secret", s.slug, signed(other.hookSecret(), raw)},
		{"no secret", s.slug, signed("", raw)},
		{"no signature", s.slug, changed(func(d *push.Delivery) { d.Signature = "" })},
		{"half a signature", s.slug, changed(func(d *push.Delivery) { d.Signature = d.Signature[:32] })},
		{"a longer signature", s.slug, changed(func(d *push.Delivery) { d.Signature += "00" })},
		{"a signature of another form", s.slug, changed(func(d *push.Delivery) { d.Signature = "sha256=" + d.Signature })},
		{"another signature", s.slug, changed(func(d *push.Delivery) { d.Signature = strings.Repeat("0", 64) })},
		{"another body", s.slug, changed(func(d *push.Delivery) { d.Body = body(s.repositoryID(), "other") })},
		{"a longer body", s.slug, changed(func(d *push.Delivery) { d.Body = append(bytes.Clone(d.Body), ' ') })},
		{"no body", s.slug, changed(func(d *push.Delivery) { d.Body = nil })},
	}
}

// TestDeliveryRefused: all that no webhook signed is refused with one answer, after
// as many questions to the database, and nothing comes of it.
func TestDeliveryRefused(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	refused := func(x posted) {
		t.Helper()
		before, wanted := len(p.ops), s.wanted()
		err := push.TakeDelivery(t.Context(), p.guard, x.slug, x.d)
		if codeOf(err) != tenancy.NotFound || *tenancy.Public(err) != *tenancy.Public(push.TakeDelivery(t.Context(), p.guard, "nobody", x.d)) {
			t.Errorf("%s: %v", x.name, err)
		}
		asked := p.ops[before:]
		if wellFormed := len(x.d.Signature) == 64; wellFormed && len(asked) != 4 || !wellFormed && len(asked) != 0 {
			t.Errorf("%s: the database was asked %v; want what it is asked for a workspace that is not there", x.name, asked)
		}
		if s.wanted() != wanted || other.wanted() != 0 {
			t.Errorf("%s: it is to be looked at", x.name)
		}
	}
	for _, x := range forged(s, other) {
		refused(x)
	}
	raw := body(s.repositoryID(), "late")
	old := signed(s.hookSecret(), raw)
	must(t, p.operator.Rotate(t.Context(), s.ws))
	refused(posted{"before there is a new secret", s.slug, old})
	must(t, s.job(t.Context(), p))
	refused(posted{"a secret that was replaced", s.slug, old})
	now := signed(s.hookSecret(), raw)
	must(t, p.operator.Suspend(t.Context(), s.ws))
	refused(posted{"suspended, and the job has not run", s.slug, now})
	must(t, s.job(t.Context(), p))
	refused(posted{"suspended", s.slug, now})
	must(t, p.operator.Resume(t.Context(), s.ws))
	refused(posted{"resumed, and the job has not run", s.slug, now})
	must(t, s.job(t.Context(), p))
	refused(posted{"the secret from before the suspension", s.slug, now})
	last := signed(s.hookSecret(), raw)
	must(t, p.operator.DeleteWorkspace(t.Context(), s.ws))
	refused(posted{"deleted", s.slug, last})
}

// TestDelivery: of what is signed only the id of an own repository counts, and that
// once. What it says besides reaches nobody: not Coolify, not Gitea.
func TestDelivery(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	f.cool.Reset()
	f.git.Reset()
	signedBy := func(raw string) push.Delivery { return signed(s.hookSecret(), []byte(raw)) }
	for _, x := range []struct {
		name   string
		d      push.Delivery
		wanted int64
	}{
		{"another's repository", signed(s.hookSecret(), body(other.repositoryID(), "")), 0},
		{"no repository's id", signed(s.hookSecret(), body(1<<40, "")), 0},
		{"a negative id", signed(s.hookSecret(), body(-1, "")), 0},
		{"no JSON", signedBy("payload=%7B%7D"), 0},
		{"an id of another form", signedBy(`{"repository":{"id":"1"}}`), 0},
		{"no object", signedBy(`[]`), 0},
		{"nothing", signedBy(""), 0},
		{"another event", push.Delivery{Event: "delete", Signature: signed(s.hookSecret(), body(s.repositoryID(), "1")).Signature, Body: body(s.repositoryID(), "1")}, 0},
		{"no event", push.Delivery{Signature: signed(s.hookSecret(), body(s.repositoryID(), "1")).Signature, Body: body(s.repositoryID(), "1")}, 0},
		{"a push", signed(s.hookSecret(), body(s.repositoryID(), "1")), 1},
		{"the same again", signed(s.hookSecret(), body(s.repositoryID(), "1")), 1},
		{"the same in capitals", func() push.Delivery {
			d := signed(s.hookSecret(), body(s.repositoryID(), "1"))
			d.Signature = strings.ToUpper(d.Signature)
			return d
		}(), 1},
		{"another push", signed(s.hookSecret(), body(s.repositoryID(), "2")), 2},
	} {
		if err := push.TakeDelivery(t.Context(), p.guard, s.slug, x.d); err != nil {
			t.Errorf("%s: %v, want it answered as all are", x.name, err)
		}
		if s.wanted() != x.wanted || other.wanted() != 0 {
			t.Errorf("%s: %d wanted, and %d of the other's; want %d and none", x.name, s.wanted(), other.wanted(), x.wanted)
		}
	}
	if n := len(f.cool.Requests()) + len(f.git.Requests()); n != 0 {
		t.Errorf("%d requests to Coolify and Gitea", n)
	}
	must(t, s.settle(p))
	want(s, "deployments of what was only said to be pushed", []string{}, s.deployed("web"))
}

// TestDeliveryLimit: a workspace's webhook that posts too much is told to wait, and
// the others' are not.
func TestDeliveryLimit(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	f.pushesBurst = 3
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	for i := range 3 {
		must(t, push.TakeDelivery(t.Context(), p.guard, s.slug, signed(s.hookSecret(), body(s.repositoryID(), fmt.Sprint(i)))))
	}
	if err := push.TakeDelivery(t.Context(), p.guard, s.slug, signed(s.hookSecret(), body(s.repositoryID(), "more"))); codeOf(err) != tenancy.RateLimited {
		t.Errorf("%v, want it refused", err)
	}
	if err := push.TakeDelivery(t.Context(), p.guard, s.slug, signed("x", body(s.repositoryID(), "more"))); codeOf(err) != tenancy.NotFound {
		t.Errorf("%v, want what is not signed answered as ever", err)
	}
	must(t, push.TakeDelivery(t.Context(), p.guard, other.slug, signed(other.hookSecret(), body(other.repositoryID(), ""))))
}

// TestRotatedHookDelivers: after a rotation, also one that was repeated, what Gitea
// signs is taken and deployed.
func TestRotatedHookDelivers(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	for range 2 {
		before := s.hookSecret()
		must(t, p.operator.Rotate(t.Context(), s.ws))
		must(t, s.job(t.Context(), p))
		if s.hookSecret() == before {
			t.Error("the webhook signs with the secret from before")
		}
		must(t, s.settle(p))
		head := s.push("main")
		s.told(p)
		must(t, s.settle(p))
		got := s.deployed("web")
		want(s, "the last deployment", head, got[len(got)-1])
	}
	s.fine()
}

// TestPushMissedByTheHook: a push whose delivery was refused while the webhook was
// replaced is deployed, also where something else of the workspace is wrong.
func TestPushMissedByTheHook(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	must(t, s.db.CreateProject(t.Context(), tenancy.Project{ID: "taken", WorkspaceID: s.ws.ID, Slug: "taken", Name: "taken", Nonce: strings.Repeat("1", 32)}))
	s.git.AddRepo(s.first.Org, giteatest.Repo{Name: "taken", Private: true, NoActions: true})
	must(t, p.operator.Rotate(t.Context(), s.ws))
	head := s.push("main")
	if err := s.job(t.Context(), p); err == nil {
		t.Fatal("a repository that is not ours is taken for ours")
	}
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
}

// TestHookIsMended: whatever becomes of a webhook in Gitea, the next run has it as
// it should be, and of another address there is none.
func TestHookIsMended(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s := newSubject(t, f, "acme")
	p := s.start(t, nothing, 0)
	admin, id, org := p.admin, s.first.HookID, s.first.Org
	for name, do := range map[string]func() error{
		"gone": func() error { return admin.Org(org).DeleteHook(t.Context(), s.parts(p).HookID) },
		"replaced by one that somebody else made": func() error {
			if err := admin.Org(org).DeleteHook(t.Context(), s.parts(p).HookID); err != nil {
				return err
			}
			_, err := admin.Org(org).CreateHook(t.Context(), gitea.NewHook{
				HookSpec: gitea.HookSpec{URL: "https://vibn.example.com/hooks/gitea/acme", Active: true}, Secret: secret.NewText("known to somebody"),
			})
			return err
		},
		"another address, off, other events": func() error {
			_, err := admin.Org(org).UpdateHook(t.Context(), s.parts(p).HookID, gitea.HookSpec{URL: "https://thief.example.com", Events: []string{"release"}, BranchFilter: "x"})
			return err
		},
		"a second one": func() error {
			_, err := admin.Org(org).CreateHook(t.Context(), gitea.NewHook{HookSpec: gitea.HookSpec{URL: "https://vibn.example.com/hooks/gitea/acme", Active: true}})
			return err
		},
	} {
		must(t, do())
		must(t, s.job(t.Context(), p))
		s.Log(name)
		wantHook(s, s.parts(p), f.git.Snapshot())
	}
	key := s.parts(p).HookSealed
	if key != s.first.HookSealed || id == 0 {
		t.Error("the secret was replaced, though it opens")
	}
	f.publicURL = &url.URL{Scheme: "https", Host: "vibn.example.net", Path: "/below"}
	must(t, s.job(t.Context(), s.start(t, nothing, 0)))
	hooks := f.git.Snapshot().Orgs[0].Hooks
	if len(hooks) != 1 || hooks[0].URL != "https://vibn.example.net/below/hooks/gitea/acme" {
		t.Errorf("after a move of the server: %+v", hooks)
	}
	entries, err := s.db.Audit(t.Context(), s.ws.ID, tenancy.AuditQuery{Tool: "platform.reconcile", Limit: 10})
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("on record: %+v, want the two webhooks that were taken away", entries)
	}
	for _, e := range entries {
		if e.Target != org || !strings.Contains(e.Args, `"removed":"hook"`) || e.Principal != "platform" {
			t.Errorf("on record: %+v, want a webhook that was taken away", e)
		}
	}
}

// TestThousandPushes: of a thousand pushes to several branches of two workspaces
// each app has the newest deployed, and a workspace that nobody pushed to is as it
// was.
func TestThousandPushes(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	branches := []string{"main", "next", "stage"}
	for _, b := range branches[1:] {
		s.push(b)
		s.app("on-"+b, b)
		s.app("also-on-"+b, b)
	}
	apps := f.cool.Snapshot().Apps
	before := others(f, other)
	f.cool.Reset()
	f.git.Reset()
	repository, key := s.repositoryID(), s.hookSecret()
	for i := range 1000 {
		branch := branches[i*7%3]
		if i%20 == 0 || i >= 997 { // git takes a while; a webhook that says so does not
			s.push(branch)
		}
		d := signed(key, body(repository, fmt.Sprint(i)))
		if i%10 == 3 { // its owner signs what is about another's
			d = signed(key, body(other.repositoryID(), fmt.Sprint(i)))
		}
		must(t, push.TakeDelivery(t.Context(), p.guard, s.slug, d))
		if i%50 == 49 {
			_, err := s.look(p)
			must(t, err)
			s.build()
		}
	}
	must(t, s.settle(p))
	total := 0
	for _, a := range apps {
		if !strings.Contains(a.GitRepository, "vibn-acme-") {
			continue
		}
		head, got := s.git.Head(s.repo(), a.GitBranch), s.deployed(a.Name)
		if len(got) == 0 || got[len(got)-1] != head {
			t.Errorf("%s: the newest commit of %s is %s, deployed were %v", a.Name, a.GitBranch, head, got)
		}
		if states := s.states(a.Name, head); len(states) == 0 || states[len(states)-1] != "success" {
			t.Errorf("%s: it is said of it: %v", a.Name, states)
		}
		total += len(got)
	}
	t.Logf("%d deployments, %d requests to Coolify, %d to Gitea", total, len(f.cool.Requests()), len(f.git.Requests()))
	if s.wanted() != 0 || total > 60*5 {
		t.Errorf("%d not looked at; %d deployments", s.wanted(), total)
	}
	if diff := cmp.Diff(before, others(f, other)); diff != "" {
		t.Errorf("the other workspace's (-before +after)\n%s", diff)
	}
	own := slices.IndexFunc(apps, func(a coolifytest.App) bool { return strings.Contains(a.GitRepository, "vibn-beta-") })
	for _, r := range f.cool.Requests() {
		if r.Write && strings.Contains(r.Path, apps[own].UUID) {
			t.Errorf("a write to the other's app: %s %s", r.Method, r.Path)
		}
	}
	for _, r := range f.git.Requests() {
		if r.Write && (!strings.Contains(r.Path, "/repos/vibn-acme-") || !strings.Contains(r.Path, "/site/statuses/") || !strings.HasPrefix(r.User, "vibn-bot-acme-")) {
			t.Errorf("a write to Gitea: %s %s as %s", r.Method, r.Path, r.User)
		}
	}
	s.fine()
}

// others is all that Coolify and Gitea have of a workspace.
func others(f *platform, s *subject) string {
	s.Helper()
	cool, git := f.cool.Snapshot(), f.git.Snapshot()
	cool.Apps = slices.DeleteFunc(cool.Apps, func(a coolifytest.App) bool { return !strings.Contains(a.GitRepository, s.org()+"/") })
	git.Repos = slices.DeleteFunc(git.Repos, func(r giteatest.Repo) bool { return r.Owner != s.org() })
	git.Orgs = slices.DeleteFunc(git.Orgs, func(o giteatest.Org) bool { return o.Name != s.org() })
	raw, err := json.MarshalIndent([]any{cool.Apps, git.Repos, git.Orgs, s.deployed("web")}, "", " ")
	must(s, err)
	return string(raw)
}
