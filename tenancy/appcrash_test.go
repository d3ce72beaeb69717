package tenancy_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// The lives of apps; see [TestCrash].
var appLives = []life{
	{
		name: "network", on: onOne, least: 40, once: true,
		birth: func(*subject, *process) {}, before: func(*subject, *process) {},
		act: func(ctx context.Context, s *subject, p *process) error {
			ws, _, err := p.operator.EnsureWorkspace(ctx, tenancy.Person{
				UserID: "user-" + s.slug, Email: s.slug + "@example.com", GiteaUserID: s.owner,
			}, tenancy.Placement{Server: s.cool.Hosts()[0].UUID})
			if err != nil {
				return err
			}
			s.ws = ws
			return s.job(ctx, p)
		},
		after: func(s *subject, p *process) {
			wantWhole(s, p)
			wantNetworks(s, s.parts(p).Destination)
		},
	},
	{
		name: "app", on: onBoth, least: 25, once: true, birth: withGround, before: func(*subject, *process) {}, act: createSiteApp, after: wantSiteApp,
	},
	{
		name: "app that is deleted", on: onBoth, least: 10, birth: withGround,
		before: func(s *subject, p *process) { must(s, createSiteApp(s.Context(), s, p)) },
		act:    deleteSiteApp,
		after: func(s *subject, p *process) {
			s.sweep(p) // a deletion wants a job, for what it might leave
			wantWhole(s, p)
			wantAppGone(s)
			if keys := s.cool.PrivateKeys()[1:]; len(keys) != 1 {
				s.Errorf("deploy keys %+v", keys)
			}
		},
	},
	{
		name: "deprovision with an app", on: onOne, least: 40, once: true, birth: withGround,
		before: func(s *subject, p *process) {
			must(s, createSiteApp(s.Context(), s, p))
			s.first = s.parts(p)
		},
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error {
				ws, err := p.operator.AnyWorkspace(ctx, s.slug)
				if err != nil {
					return err
				}
				return p.operator.DeleteWorkspace(ctx, ws)
			})
		},
		after: func(s *subject, p *process) {
			wantNothing(s, p)
			wantAppGone(s)
			wantNetworks(s)
			if keys := s.cool.PrivateKeys()[1:]; len(keys) > 0 {
				s.Errorf("left: %+v", keys)
			}
			projects, err := s.db.Projects(s.Context(), s.ws.ID)
			must(s, err)
			for _, x := range projects {
				if x.CoolifyKey != "" || x.DeployKey != "" {
					s.Errorf("recorded: %+v", x)
				}
			}
		},
	},
}

// TestCrashApps is [TestCrash] for what apps need.
func TestCrashApps(t *testing.T) {
	t.Parallel()
	for _, l := range appLives {
		for _, b := range l.on {
			t.Run(l.name+" on "+string(b), func(t *testing.T) {
				t.Parallel()
				l.disturbAll(t, b)
			})
		}
	}
}

// withGround makes a workspace on a server, with a repository, and a key that may do
// all. Coolify deletes at once.
func withGround(s *subject, p *process) {
	s.Helper()
	withSite(s, p)
	must(s, p.operator.Place(s.Context(), s.ws, tenancy.Placement{Server: s.cool.Hosts()[0].UUID}))
	must(s, s.job(s.Context(), p))
	s.first = s.parts(p)
	if _, err := s.git.Push(s.first.Org+"/site", "main", "first", map[string]string{"index.html": "hello"}); err != nil {
		s.Fatal(err)
	}
	_, text, err := p.operator.CreateKey(s.Context(), s.ws, "owner", tenancy.AllRights, 0)
	must(s, err)
	s.key = text.Reveal()
	s.cool.OnRequest(func(r coolifytest.Request) error {
		if r.Operation == "DELETE /applications/{uuid}" && r.Status != 0 {
			s.cool.FinishDeletions()
		}
		return nil
	})
}

func createSiteApp(ctx context.Context, s *subject, p *process) error {
	return step{tenancy.Write, func(ctx context.Context, sc *tenancy.Scope) error {
		_, err := hosting.CreateApp(ctx, sc, siteApp(func(n *hosting.NewApp) { n.Env = map[string]secret.Text{"A": secret.NewText("b")} }))
		return err
	}}.try(ctx, p.guard, s.key)
}

// deleteSiteApp deletes the app; that it is gone is as good.
func deleteSiteApp(ctx context.Context, s *subject, p *process) error {
	return step{tenancy.Danger, func(ctx context.Context, sc *tenancy.Scope) error {
		_, err := hosting.DeleteApp(ctx, sc, "site", "site")
		if tenancy.IsNotFound(err) {
			return nil
		}
		return err
	}}.try(ctx, p.guard, s.key)
}

// wantSiteApp holds that there is one app, as it was asked for, with one key on each
// side, and that it is recorded.
func wantSiteApp(s *subject, p *process) {
	s.Helper()
	wantWhole(s, p)
	is, there := s.parts(p), s.cool.Snapshot()
	records, err := s.db.AppRecords(s.Context(), s.ws.ID)
	must(s, err)
	if len(there.Apps) != 1 || len(records) != 1 || !records[0].Made || records[0].UUID != there.Apps[0].UUID || records[0].DeletingAt != nil {
		s.Fatalf("apps %+v, recorded %+v", there.Apps, records)
	}
	a := there.Apps[0]
	if a.Name != "site" || a.Description != "a site" || a.Deleting || a.DestinationUUID != is.Destination || !a.NoAutoDeploy || a.Limits.Memory != "512m" {
		s.Errorf("app %+v", a)
	}
	if envs := s.cool.Envs(a.UUID); len(envs) != 2 || envs[0].Key != "A" || envs[1].Key != "A" {
		s.Errorf("variables %+v", envs)
	}
	if d := s.cool.Deployments(a.UUID); len(d) > 0 {
		s.Errorf("deployed: %+v", d)
	}
	repo := s.git.Snapshot().Repos[0]
	if records[0].Head != repo.Heads["main"] || records[0].Head == "" {
		s.Errorf("head %q of %v", records[0].Head, repo.Heads)
	}
	wantNetworks(s, is.Destination)
	wantOneKey(s, repo, a)
}

func wantOneKey(s *subject, repo giteatest.Repo, a coolifytest.App) {
	s.Helper()
	keys := s.cool.PrivateKeys()[1:]
	projects, err := s.db.Projects(s.Context(), s.ws.ID)
	must(s, err)
	if len(keys) != 1 || len(repo.Keys) != 1 || len(projects) != 1 {
		s.Fatalf("keys on Coolify %+v, on Gitea %+v", keys, repo.Keys)
	}
	public := strings.TrimSpace(keys[0].PublicKey)
	if a.PrivateKeyUUID != keys[0].UUID || projects[0].CoolifyKey != keys[0].UUID || projects[0].DeployKey != public || repo.Keys[0].Key != public || !repo.Keys[0].ReadOnly {
		s.Errorf("on Coolify %+v, on Gitea %+v, recorded %+v", keys, repo.Keys, projects)
	}
}

// wantAppGone holds that no app is left, and none is recorded.
func wantAppGone(s *subject) {
	s.Helper()
	records, err := s.db.AppRecords(s.Context(), s.ws.ID)
	must(s, err)
	if apps := s.cool.Snapshot().Apps; len(apps)+len(records) > 0 {
		s.Errorf("left: %+v %+v", apps, records)
	}
}

// wantNetworks holds which networks there are besides the one that the server came
// with.
func wantNetworks(s *subject, want ...string) {
	s.Helper()
	var got []string
	for _, d := range s.cool.Destinations()[1:] {
		got = append(got, d.UUID)
	}
	if !slices.Equal(want, got) {
		s.Errorf("networks %v, want %v", got, want)
	}
	if services := s.cool.Services(); len(services) != len(want) {
		s.Errorf("services %+v, want one for each of %v", services, want)
	}
}

// TestCreateAppOvertaken stops a call that creates an app at each of its writes, for
// so long that others create the same app, or create and delete it, and then lets it
// go on. One that asks again comes to one app.
func TestCreateAppOvertaken(t *testing.T) {
	t.Parallel()
	l := life{birth: withGround}
	calm := l.born(t, giteatest.V126)
	p := calm.start(t, nothing, 0)
	must(t, createSiteApp(t.Context(), calm, p))
	for name, others := range map[string][]func(context.Context, *subject, *process) error{
		"created": {createSiteApp}, "created and deleted": {createSiteApp, deleteSiteApp}, "deleted": {deleteSiteApp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, o := range p.ops {
				if !o.write {
					continue
				}
				s := l.born(t, giteatest.V126)
				slow, next := s.start(t, overtaken, i+1), s.start(t, nothing, 0)
				slow.meanwhile = func() {
					for _, other := range others {
						must(t, other(t.Context(), s, next))
					}
				}
				err := createSiteApp(t.Context(), s, slow)
				if e := tenancy.Public(err); err != nil && e.Code == tenancy.Internal {
					t.Errorf("at %v: %v", o, err)
				}
				must(t, createSiteApp(t.Context(), s, next))
				s.sweep(next)
				wantSiteApp(s, next)
				if t.Failed() {
					t.Fatalf("overtaken at op %d, %v: %v", i+1, o, err)
				}
			}
		})
	}
}
