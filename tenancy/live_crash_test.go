package tenancy_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// livePlatform is a platform on the real Gitea that the environment names, with a
// workspace that has nothing yet. At the end nothing of it is left there.
func livePlatform(t *testing.T) *subject {
	t.Helper()
	_, root := liveGitea(t)
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	f.gitURL, f.gitWire, f.tokens[1] = root, http.DefaultTransport, os.Getenv("VIBN_TEST_GITEA_ADMIN_TOKEN")
	s := &subject{T: t, platform: f, slug: "live-" + strings.ToLower(rand.Text()[:10])}
	ws, err := people.NewOperator(f.db).CreateWorkspace(t.Context(), people.NewWorkspace{Slug: s.slug})
	must(t, err)
	s.ws = ws
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		f.clock.forward(time.Hour)
		p := f.start(t, nothing, 0)
		ws, err := p.operator.AnyWorkspace(ctx, s.slug)
		must(t, err)
		must(t, p.operator.DeleteWorkspace(ctx, ws))
		if err := s.job(ctx, p); err != nil {
			t.Errorf("something is left of %s: %v", s.slug, err)
		}
	})
	return s
}

// wantLive holds on a real Gitea what wantWhole holds on a simulated one.
func wantLive(s *subject, p *process) {
	s.Helper()
	ctx, is := s.Context(), s.parts(p)
	if is.Status != tenancy.Ready || is.ProvisionError != "" {
		s.Fatalf("status %s: %s", is.Status, is.ProvisionError)
	}
	org, err := p.admin.Org(is.Org).Get(ctx)
	if err != nil || org.ID != is.OrgID || org.Visibility != "private" {
		s.Errorf("organisation %+v (%v), recorded %d", org, err, is.OrgID)
	}
	teams, err := p.admin.Org(is.Org).Teams(ctx)
	if err != nil || len(teams) != 2 {
		s.Errorf("teams %+v (%v)", teams, err)
	}
	members, err := p.admin.TeamMembers(ctx, is.TeamID)
	if err != nil || len(members) != 1 || members[0].ID != is.BotID {
		s.Errorf("writers %+v (%v)", members, err)
	}
	bot, err := p.admin.User(ctx, is.Bot)
	if err != nil || bot.ID != is.BotID || !bot.Restricted || bot.IsAdmin || bot.ProhibitLogin || bot.Visibility != "private" {
		s.Errorf("bot %+v (%v), recorded %d", bot, err, is.BotID)
	}
	plain, err := s.box(s).Open(is.TokenSealed, tenancy.TokenPlace(is.ID))
	must(s, err)
	if alive, err := p.admin.Bot(plain).Metered(free).Alive(ctx); err != nil || !alive {
		s.Errorf("the token is dead: %v", err)
	}
	if tokens, err := p.admin.TokensOf(is.Bot).List(ctx); err != nil || len(tokens) != 1 || tokens[0].ID != is.TokenID {
		s.Errorf("tokens %+v (%v), recorded %d", tokens, err, is.TokenID)
	}
}

// TestLiveCrash kills processes at their writes to a real Gitea, lets answers get
// lost, and lets others do the work meanwhile. Each process goes on where the one
// before ended, and gets one write further.
func TestLiveCrash(t *testing.T) {
	for _, m := range []mode{diesAfter, answerLost, overtaken} {
		t.Run(string(m), func(t *testing.T) {
			s := livePlatform(t)
			for _, act := range []struct {
				name  string
				order func(context.Context, *process) error
			}{
				{"provision", func(ctx context.Context, p *process) error { return p.operator.Provision(ctx, s.ws) }},
				{"rotate", func(ctx context.Context, p *process) error { return p.operator.Rotate(ctx, s.ws) }},
				{"suspend", func(ctx context.Context, p *process) error {
					return errors.Join(p.operator.Suspend(ctx, s.ws), s.job(ctx, p), p.operator.Resume(ctx, s.ws))
				}},
			} {
				runs := s.liveCrash(act.name, m, act.order)
				wantLive(s, s.start(s, nothing, 0))
				t.Logf("%s: %d processes", act.name, runs)
			}
		})
	}
}

// liveCrash gives an order and then starts one process after the other, each of
// which comes to grief one write later than the one before, until one does not.
func (s *subject) liveCrash(name string, m mode, order func(context.Context, *process) error) (runs int) {
	s.Helper()
	must(s, order(s.Context(), s.start(s, nothing, 0)))
	for at := 1; ; at++ {
		s.clock.forward(3 * time.Minute)
		p := s.start(s, m, 0)
		p.atWrite = at
		p.meanwhile = func() {
			s.clock.forward(3 * time.Minute)
			must(s, s.job(s.Context(), s.start(s, nothing, 0)))
		}
		err := s.job(s.Context(), p)
		if p.writes < at {
			if err != nil {
				s.Fatalf("%s: the last process: %v\n%s", name, err, s.parts(s.start(s, nothing, 0)).ProvisionError)
			}
			return at
		}
		if at > 100 {
			s.Fatalf("%s: it does not end", name)
		}
	}
}

// TestLiveReplicas lets three processes work at a workspace at once.
func TestLiveReplicas(t *testing.T) {
	s := livePlatform(t)
	var at sync.WaitGroup
	for range 3 {
		p := s.start(t, nothing, 0)
		at.Go(func() {
			for _, order := range []func() error{
				func() error { return nil },
				func() error { return p.operator.Rotate(t.Context(), s.ws) },
				func() error { return p.operator.Provision(t.Context(), s.ws) },
			} {
				if err := errors.Join(order(), ignoring(s.job(t.Context(), p), provision.ErrBusy, tenancy.ErrConflict)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	at.Wait()
	p := s.start(t, nothing, 0)
	must(t, s.job(t.Context(), p))
	wantLive(s, p)
}

// ignoring is err, unless it is one of those.
func ignoring(err error, those ...error) error {
	for _, e := range those {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}

// TestLiveForeign plants an organisation and a bot of the right names, which have
// all that somebody who knows the product can give them, and a token that works.
func TestLiveForeign(t *testing.T) {
	s := livePlatform(t)
	ctx, p := t.Context(), s.start(t, nothing, 0)
	guess := strings.Repeat("0", 32)
	org, err := p.admin.CreateOrg(ctx, gitea.NewOrg{Name: "vibn-" + s.slug, FullName: s.slug, Description: "vibn-" + guess})
	must(t, err)
	gone := func(err error) {
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
	t.Cleanup(func() { gone(p.admin.Org(org.Name).Delete(context.WithoutCancel(ctx))) })
	bot, err := p.admin.CreateUser(ctx, gitea.NewUser{
		Login: "vibn-bot-" + s.slug, Email: fmt.Sprintf("bot+%s-%s@vibn.invalid", guess, s.slug), Password: secret.NewText("aA0-" + rand.Text()),
	})
	must(t, err)
	t.Cleanup(func() { gone(p.admin.DeleteUser(context.WithoutCancel(ctx), bot.Login, true)) })
	token, err := p.admin.TokensOf(bot.Login).Create(ctx, "mine", []string{"write:repository"})
	must(t, err)

	check := func(part, why string) {
		t.Helper()
		failed, ok := errors.AsType[*provision.PartsError](s.job(ctx, s.start(t, nothing, 0)))
		if !ok || len(failed.Errors) != 1 || failed.Errors[0].Part != part || !strings.Contains(failed.Errors[0].Why, why) {
			t.Errorf("provisioning says %+v, want %s: %s", failed, part, why)
		}
	}
	check(tenancy.PartOrg, "an organisation \"vibn-"+s.slug+"\"")
	if now, err := p.admin.Org(org.Name).Get(ctx); err != nil || now != org {
		t.Errorf("the organisation is %+v (%v), was %+v", now, err, org)
	}
	must(t, p.admin.Org(org.Name).Delete(ctx))
	gone = func(error) {} // ours is deleted with the workspace
	check(tenancy.PartBot, "a user \"vibn-bot-"+s.slug+"\"")
	if alive, err := p.admin.Bot(token.Secret).Metered(free).Alive(ctx); err != nil || !alive {
		t.Errorf("the token of the user who was there first is dead: %v", err)
	}
	must(t, p.admin.DeleteUser(ctx, bot.Login, true))
	must(t, s.job(ctx, p))
	wantLive(s, p)
}
