package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// newSubject makes a workspace of that slug on the platform, with a repository.
func newSubject(t *testing.T, f *platform, slug string) *subject {
	t.Helper()
	s := &subject{T: t, platform: f, slug: slug}
	s.owner = int64(f.git.AddUser(giteatest.User{Login: "owner-of-" + slug}).ID)
	withSite(s, s.start(t, nothing, 0))
	return s
}

// opens tells which ways into the repository a token opens: the API, and git to
// fetch and to push.
func (s *subject) opens(token secret.Text) []string {
	s.Helper()
	var open []string
	for way, path := range map[string]string{
		"API":   "/api/v1/repos/" + s.first.Org + "/site",
		"fetch": "/" + s.first.Org + "/site.git/info/refs?service=git-upload-pack",
		"push":  "/" + s.first.Org + "/site.git/info/refs?service=git-receive-pack",
	} {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "https://git.example.com"+path, nil)
		must(s, err)
		req.SetBasicAuth(s.first.Bot, token.Reveal())
		resp, err := short{s.git}.RoundTrip(req)
		must(s, err)
		if kind := resp.Header.Get("Content-Type"); resp.StatusCode == http.StatusOK && !strings.HasPrefix(kind, "text/html") {
			open = append(open, way)
		}
	}
	slices.Sort(open)
	return open
}

// TestEndedTokens: whatever ends a key, what it was given opens nothing after one
// run of the job, by no way; the tokens of others stay as they are.
func TestEndedTokens(t *testing.T) {
	t.Parallel()
	tenancytest.NeedGit(t)
	all := []string{"API", "fetch", "push"}
	for _, e := range []struct {
		name   string
		end    func(ctx context.Context, s *subject, p *process) error
		others []string // what the token of another key opens afterwards
	}{
		{"revoked", func(ctx context.Context, s *subject, p *process) error {
			return p.operator.RevokeKey(ctx, s.ws, s.keyID)
		}, all},
		{"expired", func(_ context.Context, s *subject, _ *process) error { s.clock.forward(keyLife); return nil }, all},
		{"suspended", func(ctx context.Context, s *subject, p *process) error { return p.operator.Suspend(ctx, s.ws) }, nil},
		{"suspended and resumed", func(ctx context.Context, s *subject, p *process) error {
			return errors.Join(p.operator.Suspend(ctx, s.ws), s.job(ctx, p), p.operator.Resume(ctx, s.ws))
		}, nil},
		{"suspended and resumed at once", func(ctx context.Context, s *subject, p *process) error {
			return errors.Join(p.operator.Suspend(ctx, s.ws), p.operator.Resume(ctx, s.ws))
		}, nil},
		{"rotated", func(ctx context.Context, s *subject, p *process) error { return p.operator.Rotate(ctx, s.ws) }, nil},
		{"deleted", func(ctx context.Context, s *subject, p *process) error { return p.operator.DeleteWorkspace(ctx, s.ws) }, nil},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{Behaviour: giteatest.V127})
			s := newSubject(t, f, "acme")
			p := s.start(t, nothing, 0)
			withToken(s, p)
			other := s.pat
			rights, err := tenancy.PresetRights("builder")
			must(t, err)
			k, text, err := p.operator.CreateKey(t.Context(), s.ws, "short", rights, keyLife/2)
			must(t, err)
			s.key, s.keyID = text.Reveal(), k.ID
			must(t, reveal(t.Context(), s, p))
			for _, token := range []secret.Text{s.pat, other} {
				if open := s.opens(token); !slices.Equal(open, all) {
					t.Fatalf("a token opens %v, want all", open)
				}
			}
			must(t, e.end(t.Context(), s, p))
			s.sweep(p)
			if open := s.opens(s.pat); len(open) > 0 {
				t.Errorf("the key's token opens %v", open)
			}
			if open := s.opens(other); !slices.Equal(open, e.others) {
				t.Errorf("the other key's token opens %v, want %v", open, e.others)
			}
		})
	}
}

// TestEndTokens: what a person or a key may not use any more is deleted in Gitea as soon as
// Gitea lets it, and nothing else is; Coolify is not asked.
func TestEndTokens(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	ctx := t.Context()
	mine, err := repository.Credentials(ctx, h.Open(t, h.A.Key, tenancy.Git), true)
	must(t, err)
	key, id := h.AddKey(t, h.A, "builder", keyLife)
	theirs, err := repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true)
	must(t, err)
	must(t, h.Operator.RevokeKey(ctx, h.A.Workspace, id))
	asked, whole := len(h.Sim.Requests()), made(h, h.A)
	due := func() []string {
		var ids []string
		must(t, h.Provisioner.SweepTokens(ctx, func(_ context.Context, id string) error { ids = append(ids, id); return nil }))
		return ids
	}
	const list, del = "GET /users/{username}/tokens", "DELETE /users/{username}/tokens/{token}"
	for _, operation := range []string{list, del} {
		h.Git.Fail(operation, giteatest.Fault{Status: http.StatusBadGateway})
		if err := h.Provisioner.EndTokens(ctx, h.A.ID); err == nil {
			t.Fatalf("with a Gitea that does not answer %s: no error", operation)
		}
		if ids := due(); !slices.Equal(ids, []string{h.A.ID}) {
			t.Errorf("due when Gitea did not answer %s: %v", operation, ids)
		}
		h.Git.Clear(operation)
		h.Git.Reset()
	}
	must(t, h.Provisioner.EndTokens(ctx, h.A.ID))
	if alive(t, h, theirs) || !alive(t, h, mine) || len(due()) > 0 {
		t.Errorf("the ended token lives: %v, the other: %v, due: %v", alive(t, h, theirs), alive(t, h, mine), due())
	}
	live := func(of []giteatest.Token) (n int) {
		for _, k := range of {
			if k.Live {
				n++
			}
		}
		return n
	}
	if now := made(h, h.A); live(now) != live(whole)-1 {
		t.Errorf("tokens: %+v, were %+v", now, whole)
	}
	if n := len(h.Sim.Requests()) - asked; n > 0 {
		t.Errorf("%d requests to Coolify", n)
	}
}

// TestOrdersMeanwhile gives an order while a job is at each of its writes to
// Gitea: when that job ends the order has been carried out.
func TestOrdersMeanwhile(t *testing.T) {
	t.Parallel()
	for _, o := range []struct {
		name  string
		order func(ctx context.Context, s *subject, p *process) error
		after func(*subject, *process)
	}{
		{"suspend", func(ctx context.Context, s *subject, p *process) error { return p.operator.Suspend(ctx, s.ws) }, wantNobodyIn},
		{"delete", func(ctx context.Context, s *subject, p *process) error { return p.operator.DeleteWorkspace(ctx, s.ws) }, wantNothing},
		{"rotate", func(ctx context.Context, s *subject, p *process) error { return p.operator.Rotate(ctx, s.ws) }, func(s *subject, p *process) {
			wantWhole(s, p)
		}},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			for at, more := 1, true; more; at++ {
				t.Run(fmt.Sprint("op ", at), func(t *testing.T) { more = meanwhile(t, at, o.order, o.after) })
			}
		})
	}
}

// meanwhile gives the order at an op of a run that makes all of a workspace;
// false when the run has no such op.
func meanwhile(t *testing.T, at int, order func(context.Context, *subject, *process) error, after func(*subject, *process)) bool {
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{Behaviour: giteatest.V127})
	s := &subject{T: t, platform: f, slug: "acme"}
	s.owner = int64(s.git.AddUser(giteatest.User{Login: "owner"}).ID)
	calm := s.start(t, nothing, 0)
	ws, err := calm.operator.CreateWorkspace(t.Context(), people.NewWorkspace{Slug: s.slug, OwnerUserID: "user-acme", OwnerGiteaID: s.owner})
	must(t, err)
	s.ws = ws
	project := tenancy.Project{ID: "project", WorkspaceID: ws.ID, Slug: "site", Name: "site", Description: "a site", Nonce: strings.Repeat("a", 32)}
	must(t, s.db.CreateProject(t.Context(), project))
	p := s.start(t, overtaken, at)
	given := false
	p.meanwhile = func() {
		must(t, order(t.Context(), s, calm))
		given = true
	}
	err = s.job(t.Context(), p)
	if errors.Is(err, tenancy.ErrConflict) { // the order changed what the run knows; it is run again
		err = s.job(t.Context(), p)
	}
	must(t, err)
	if !given || slices.IndexFunc(p.ops, func(o op) bool { return o.what == "FinishProvision" }) < at {
		return given // there the job has ended; the order comes with one of its own
	}
	after(s, calm)
	return true
}

// wantNobodyIn holds that nobody can get into what there is of a suspended
// workspace.
func wantNobodyIn(s *subject, p *process) {
	s.Helper()
	is, there, _ := s.there(p)
	if is.Status != tenancy.Ready || is.Done < is.Wanted {
		s.Errorf("status %s, done %d of %d: %s", is.Status, is.Done, is.Wanted, is.ProvisionError)
	}
	for _, u := range there.Users {
		if u.Login == is.Bot && !u.ProhibitLogin {
			s.Error("the bot is let in")
		}
	}
	for _, o := range there.Orgs {
		for _, team := range o.Teams {
			if team.Name == "Writers" && len(team.Members) > 0 {
				s.Errorf("writers: %v", team.Members)
			}
		}
	}
	for _, token := range there.Tokens {
		if token.User == is.Bot && token.Live {
			s.Errorf("a token works: %+v", token)
		}
	}
}

// TestMovedSecrets: a ciphertext that was copied to another row, or column, opens
// for nobody. What should stand there is not made anew over it.
func TestMovedSecrets(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	a, b := newSubject(t, f, "alpha"), newSubject(t, f, "beta")
	p := f.start(t, nothing, 0)
	for _, s := range []*subject{a, b} {
		must(t, s.db.SetMember(t.Context(), tenancy.Member{WorkspaceID: s.ws.ID, UserID: person, Role: tenancy.RoleOwner}))
		must(t, s.job(t.Context(), p))
		withToken(s, p)
	}
	values, err := f.db.SealedValues(t.Context())
	must(t, err)
	if len(values) != 6 {
		t.Fatalf("%d sealed values, want three of each workspace", len(values))
	}
	tokens := len(f.git.Snapshot().Tokens)
	for _, from := range values {
		for _, to := range values {
			if from == to {
				continue
			}
			name := fmt.Sprintf("%s to %s", from.Place.Column, to.Place.Column)
			must(t, f.db.Reseal(t.Context(), to, from.Value))
			switch to.Place {
			case tenancy.TokenPlace(to.Place.Row):
				checkShutToken(t, f, p, to.Place.Row, name)
			case tenancy.HookPlace(to.Place.Row):
				checkShutPart(t, f, p, to.Place.Row, name, tenancy.PartHook)
			default:
				checkShutKey(t, p, []*subject{a, b}, name)
			}
			must(t, f.db.Reseal(t.Context(), tenancy.SealedValue{Place: to.Place, Value: from.Value}, to.Value))
		}
	}
	if n := len(f.git.Snapshot().Tokens); n != tokens {
		t.Errorf("%d tokens on Gitea, were %d", n, tokens)
	}
	for _, s := range []*subject{a, b} {
		must(t, s.job(t.Context(), p))
		must(t, reveal(t.Context(), s, p))
	}
}

// checkShutToken holds that a workspace's own token does not open.
func checkShutToken(t *testing.T, f *platform, p *process, id, name string) {
	t.Helper()
	is, err := f.db.Provision(t.Context(), id)
	must(t, err)
	s, err := p.guard.OpenMember(t.Context(), person, is.Slug, time.Now())
	must(t, err)
	if _, err := repository.Repository(t.Context(), s, "site"); codeOf(err) != tenancy.Unavailable {
		t.Errorf("%s: a repository is read: %v", name, err)
	}
	checkShutPart(t, f, p, id, name, tenancy.PartToken)
}

// checkShutPart holds that provisioning names the part whose secret does not open,
// and makes none anew.
func checkShutPart(t *testing.T, f *platform, p *process, id, name, part string) {
	t.Helper()
	is, err := f.db.Provision(t.Context(), id)
	must(t, err)
	failed, ok := errors.AsType[*provision.PartsError](p.provisioner.Provision(t.Context(), id))
	if !ok || len(failed.Errors) != 1 || failed.Errors[0].Part != part || !strings.Contains(failed.Errors[0].Why, "does not open with VIBN_SECRETS_KEY") {
		t.Errorf("%s: provisioning says %+v", name, failed)
	}
	if now, err := f.db.Provision(t.Context(), id); err != nil || now.Parts != is.Parts {
		t.Errorf("%s: provisioning made %+v of %+v", name, now.Parts, is.Parts)
	}
}

// checkShutKey holds that one key's token does not open, and the other's does.
func checkShutKey(t *testing.T, p *process, subjects []*subject, name string) {
	t.Helper()
	shut := 0
	for _, s := range subjects {
		switch err := reveal(t.Context(), s, p); codeOf(err) {
		case "":
		case tenancy.Unavailable:
			shut++
		default:
			t.Errorf("%s: %v", name, err)
		}
	}
	if shut != 1 {
		t.Errorf("%s: %d keys get no token, want one", name, shut)
	}
}

const newKeyText = "a-newer-sealing-key-of-the-house-0123"

// withSecrets is the platform as processes see it that have these keys.
func (f *platform) withSecrets(keys ...string) *platform {
	g := *f
	g.sealed = keys
	return &g
}

// TestSecretsRotate seals all secrets anew while processes of both kinds work:
// those that still seal with the old key, and those that seal with the new one.
// No call fails, and in the end the old key opens nothing that is needed.
func TestSecretsRotate(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{Behaviour: giteatest.V127})
	oldKey := f.sealed[0]
	older, newer := f.withSecrets(oldKey, newKeyText), f.withSecrets(newKeyText, oldKey)
	var subjects []*subject
	for i := range 3 {
		subjects = append(subjects, newSubject(t, older, fmt.Sprintf("acme-%c", 'a'+i)))
	}
	var working sync.WaitGroup
	var stopped atomic.Bool
	var calls atomic.Int64
	work := func(g *platform, s *subject) {
		p := g.start(t, nothing, 0)
		mine := &subject{T: t, platform: g, slug: s.slug, ws: s.ws, owner: s.owner}
		for !stopped.Load() || calls.Load() < 60 {
			calls.Add(1)
			mine.mintKey(p)
			for range 2 { // it is made, and then opened
				if err := reveal(t.Context(), mine, p); err != nil {
					t.Errorf("a key's token: %v", err)
				}
			}
			if err := mine.job(t.Context(), p); err != nil && !errors.Is(err, provision.ErrBusy) {
				t.Errorf("a job: %v", err)
			}
			if err := p.operator.RevokeKey(t.Context(), mine.ws, mine.keyID); err != nil {
				t.Errorf("revoke: %v", err)
			}
		}
	}
	for _, s := range subjects {
		working.Go(func() { work(older, s) })
		working.Go(func() { work(newer, s) })
	}
	operator := people.NewOperator(f.db)
	for resealed := 0; resealed < 20; {
		n, shut, err := operator.ResealSecrets(t.Context(), newer.box(t))
		if err != nil || shut > 0 {
			t.Fatalf("secrets rotate: %d do not open, %v", shut, err)
		}
		resealed += n
	}
	stopped.Store(true)
	working.Wait() // the older ones are stopped
	if _, shut, err := operator.ResealSecrets(t.Context(), newer.box(t)); err != nil || shut > 0 {
		t.Errorf("secrets rotate at last: %d do not open, %v", shut, err)
	}
	last := f.withSecrets(newKeyText)
	for _, s := range subjects {
		mine := &subject{T: t, platform: last, slug: s.slug, ws: s.ws, owner: s.owner}
		p := last.start(t, nothing, 0)
		mine.mintKey(p)
		must(t, reveal(t.Context(), mine, p))
		must(t, mine.job(t.Context(), p))
	}
	wantSealedWith(t, f, last.box(t))
}

func wantSealedWith(t *testing.T, f *platform, box *secret.Box) {
	t.Helper()
	values, err := f.db.SealedValues(t.Context())
	must(t, err)
	for _, v := range values {
		if _, err := box.Open(v.Value, v.Place); err != nil || box.NeedsReseal(v.Value) {
			t.Errorf("%+v is not sealed with the new key", v.Place)
		}
	}
}

// TestSecretsRotateMeanwhile seals all secrets anew at each moment of a job, which
// must not write back what it read before.
func TestSecretsRotateMeanwhile(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{Behaviour: giteatest.V127})
	oldKey := f.sealed[0]
	s := newSubject(t, f, "acme")
	f.sealed = []string{newKeyText, oldKey}
	for at, more := 1, true; more; at++ {
		f.clock.forward(time.Hour)
		is := s.parts(f.start(t, nothing, 0))
		forgotten := is.Parts
		forgotten.TeamID = 0 // so that the run has something to record after the token
		plain, err := f.box(t).Open(is.TokenSealed, tenancy.TokenPlace(is.ID))
		must(t, err)
		forgotten.TokenSealed, err = f.withSecrets(oldKey).box(t).Seal(plain, tenancy.TokenPlace(is.ID))
		must(t, err)
		must(t, f.db.SetParts(t.Context(), is.ID, is.Parts, forgotten))
		p := f.start(t, overtaken, at)
		more = false
		p.meanwhile = func() {
			if _, shut, err := p.operator.ResealSecrets(t.Context(), f.box(t)); err != nil || shut > 0 {
				t.Errorf("secrets rotate: %d, %v", shut, err)
			}
			more = true
		}
		if err := s.job(t.Context(), p); err != nil {
			must(t, s.job(t.Context(), f.start(t, nothing, 0))) // it is run again
		}
		if more {
			wantSealedWith(t, f, f.withSecrets(newKeyText).box(t))
		}
		if t.Failed() {
			t.Fatalf("resealed before %v", p.ops[at-1])
		}
	}
}
