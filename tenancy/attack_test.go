package tenancy_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A hindrance stands in the way of a workspace's parts.
type hindrance struct {
	name    string
	cfg     giteatest.Config
	prepare func(*subject) // what is wrong; the workspace has nothing yet, unless this makes it
	lift    func(*subject) // for what is tried again by itself

	// What the operator reads: the part, and words of the two sentences. An empty
	// part means that all is well all the same.
	part, why, fix string
	status         tenancy.ProvisionStatus
}

// leastScopes are those without which nothing can be provisioned.
var leastScopes = []string{"write:admin", "write:organization", "read:user", "write:repository"}

func withScopes(scopes ...string) func(*subject) {
	return func(s *subject) { s.tokens[1] = s.git.AdminToken(scopes...) }
}

func withoutScope(scope string) func(*subject) {
	return withScopes(slices.DeleteFunc(slices.Clone(leastScopes), func(l string) bool { return l == scope })...)
}

const (
	neverTaken = "vibn-mcp never takes it over"
)

// noBasic is a Gitea that takes no passwords.
func noBasic(b giteatest.Behaviour) giteatest.Config {
	return giteatest.Config{Behaviour: b, NoBasicAuth: true}
}

// enforced is a Gitea that shows repositories only to those with a second factor.
func enforced(b giteatest.Behaviour) giteatest.Config {
	return giteatest.Config{Behaviour: b, TwoFactorEnforced: true}
}

var hindrances = []hindrance{
	// The token, and what else the platform needs of Gitea.
	{name: "the least scopes", prepare: withScopes(leastScopes...), status: tenancy.Ready},
	{
		name: "token of an ordinary user", status: tenancy.Failed, part: tenancy.PartHost, why: "not a site administrator", fix: "of a site administrator",
		prepare: func(s *subject) {
			s.git.AddUser(giteatest.User{Login: "ordinary"})
			s.tokens[1] = s.git.AddToken("ordinary", "all")
		},
	},
	{
		name: "token that is no more", status: tenancy.Failed, part: tenancy.PartHost, why: "does not accept GITEA_API_TOKEN", fix: "make a token",
		prepare: func(s *subject) { s.tokens[1] = strings.Repeat("0", 40) },
	},
	{
		name: "no write:admin", prepare: withoutScope("write:admin"),
		status: tenancy.Failed, part: tenancy.PartHost, why: "lacks write:admin", fix: "with write:admin besides what this one has",
	},
	{
		name: "no write:organization", prepare: withoutScope("write:organization"),
		status: tenancy.Partial, part: tenancy.PartOrg, why: "GITEA_API_TOKEN lacks write:organization: could not make the organisation", fix: "with write:organization besides what this one has",
	},
	{
		name: "no read:user", prepare: withoutScope("read:user"),
		status: tenancy.Failed, part: tenancy.PartHost, why: "lacks read:user", fix: "with read:user besides what this one has",
	},
	{
		name: "no write:repository", prepare: withoutScope("write:repository"),
		status: tenancy.Partial, part: tenancy.PartRepositories, why: "GITEA_API_TOKEN lacks write:repository: could not reconcile", fix: "with write:repository besides what this one has",
	},
	{name: "basic authentication off", cfg: noBasic(giteatest.V126), prepare: withScopes("all"), status: tenancy.Ready},
	{name: "basic authentication off, since 1.27", cfg: noBasic(giteatest.V127), prepare: withScopes("all"), status: tenancy.Ready},
	{
		name: "basic authentication off, and too few scopes for the other way", cfg: noBasic(giteatest.V126), prepare: withScopes(leastScopes...),
		status: tenancy.Partial, part: tenancy.PartToken, why: "lacks write:user: could not make the bot's token", fix: "with write:user besides",
	},
	{
		name: "basic authentication off, and the scopes that are given", cfg: noBasic(giteatest.V127),
		prepare: withScopes(append([]string{"write:user"}, leastScopes...)...), status: tenancy.Ready,
	},
	{
		name: "second factor enforced", cfg: enforced(giteatest.V127), prepare: bornWith(withSite),
		status: tenancy.Partial, part: tenancy.PartRepositories, why: "enforced two-factor authentication", fix: "unset [security] TWO_FACTOR_AUTH",
	},
	{
		name: "second factor enforced, and a project to be made", cfg: enforced(giteatest.V127),
		prepare: bornWith(func(s *subject, p *process) {
			withWorkspace(s, p)
			if err := createSite(s.Context(), s, p); codeOf(err) != tenancy.Unavailable {
				s.Errorf("a project where no repository is shown: %v", err)
			}
		}),
		status: tenancy.Partial, part: tenancy.PartRepositories, why: "enforced two-factor authentication", fix: "unset [security] TWO_FACTOR_AUTH",
	},
	{
		name: "webhooks switched off", cfg: giteatest.Config{NoWebhooks: true}, prepare: func(*subject) {}, status: tenancy.Partial, part: tenancy.PartHook,
		why: "webhooks switched off", fix: "DISABLE_WEBHOOKS=false",
	},
	{
		name: "SSH switched off", cfg: giteatest.Config{NoSSH: true}, status: tenancy.Partial, part: tenancy.PartRepositories,
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			project := got(s.db.Projects(s.Context(), s.ws.ID))(s.T)[0]
			must(s, s.db.RecordDeployKey(s.Context(), project.WorkspaceID, project.ID, "key", "ssh-ed25519 AAAA"))
		}),
		why: "SSH switched off", fix: "DISABLE_SSH=false",
	},
	{
		name: "Gitea is down", status: tenancy.Failed, part: tenancy.PartHost, why: "Gitea does not answer", fix: "see whether it is up",
		prepare: func(s *subject) { s.git.OnRequest(func(giteatest.Request) error { return errGone }) },
		lift:    func(s *subject) { s.git.OnRequest(nil) },
	},
	{
		name: "Gitea goes down", status: tenancy.Partial, part: tenancy.PartOrg, why: "Gitea answers with the status 502", fix: "it is tried again automatically",
		prepare: func(s *subject) { s.git.Fail("GET /orgs/{org}", giteatest.Fault{Status: 502, Body: "<html>"}) },
		lift:    func(s *subject) { s.git.Clear("GET /orgs/{org}") },
	},

	// Names that are taken.
	{
		name: "the bot's name is an organisation's", prepare: func(s *subject) { s.git.AddOrg(giteatest.Org{Name: s.bot()}, "mallory") },
		status: tenancy.Partial, part: tenancy.PartBot, why: `an organisation "vibn-bot-acme-`, fix: neverTaken,
	},
	{
		name: "the organisation's name is a user's", prepare: func(s *subject) { s.git.AddUser(giteatest.User{Login: strings.ToUpper(s.org())}) },
		status: tenancy.Partial, part: tenancy.PartOrg, why: `a user "vibn-acme-`, fix: neverTaken,
	},
	{
		name: "an organisation was there first", status: tenancy.Partial, part: tenancy.PartOrg, why: `an organisation "vibn-acme-`, fix: neverTaken,
		prepare: func(s *subject) {
			s.git.AddOrg(giteatest.Org{Name: s.org(), FullName: "acme", Description: "vibn-" + strings.Repeat("a", 32), Visibility: "private"}, "mallory")
			s.git.AddRepo(s.org(), giteatest.Repo{Name: "site", Private: true})
		},
	},
	{
		name: "an organisation with another workspace's mark", status: tenancy.Partial, part: tenancy.PartOrg, why: `an organisation "vibn-acme-`, fix: neverTaken,
		prepare: func(s *subject) {
			other := &subject{T: s.T, platform: s.platform, slug: "other", owner: s.owner}
			must(s, ensure(s.Context(), other, s.start(s, nothing, 0)))
			s.git.AddOrg(giteatest.Org{Name: s.org(), Description: s.git.Snapshot().Orgs[0].Description}, s.git.Admin())
		},
	},
	{
		name: "an organisation of our mark with a second owner", status: tenancy.Partial, part: tenancy.PartOrg, why: "with other owners", fix: neverTaken,
		prepare: func(s *subject) {
			s.stopAfter("POST /api/v1/orgs")
			s.git.AddMember(s.org(), "Owners", "mallory")
		},
	},
	{
		name: "a bot was there first", status: tenancy.Partial, part: tenancy.PartBot, why: `a user "vibn-bot-acme-`, fix: neverTaken,
		prepare: func(s *subject) {
			s.git.AddUser(giteatest.User{
				Login: s.bot(), Email: "bot+" + strings.Repeat("a", 32) + "@vibn.invalid", Visibility: "private", Restricted: true,
				Keys: []giteatest.Key{{Title: "mine", Key: publicKey(s)}}, OAuthApps: []string{"mine"},
			})
			s.git.AddToken(s.bot(), "all")
		},
	},
	{
		name: "a bot of our mark with a key", status: tenancy.Partial, part: tenancy.PartBot, why: "a user with SSH keys", fix: neverTaken,
		prepare: func(s *subject) {
			s.stopAfter("POST /api/v1/admin/users")
			s.git.AddSSHKey(s.bot(), "mine", publicKey(s))
		},
	},
	{
		name: "the bot has become an administrator", status: tenancy.Partial, part: tenancy.PartBot, why: "is a site administrator", fix: "find out who made it",
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			s.git.SetUser(s.bot(), func(u *giteatest.User) { u.Admin = true })
		}),
	},

	// What was ours, and is not any more.
	{
		name: "the organisation was renamed", status: tenancy.Partial, part: tenancy.PartOrg, why: "has been renamed in Gitea", fix: "rename it back",
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			s.git.RenameUser(s.org(), "elsewhere")
		}),
	},
	{
		name: "the organisation was renamed, and another has its name", status: tenancy.Partial, part: tenancy.PartOrg,
		why: `an organisation "vibn-acme-`, fix: neverTaken,
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			s.git.RenameUser(s.org(), "elsewhere")
			s.git.AddOrg(giteatest.Org{Name: s.org(), Description: s.git.Snapshot().Orgs[0].Description}, "mallory")
		}),
	},
	{
		name: "the bot was renamed, and another has its name", status: tenancy.Partial, part: tenancy.PartBot, why: `a user "vibn-bot-acme-`, fix: neverTaken,
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			s.git.RenameUser(s.bot(), "elsewhere")
			s.git.AddUser(giteatest.User{Login: s.bot(), Email: "mallory@example.com"})
		}),
	},

	// Coolify.
	{
		name: "Coolify is down", status: tenancy.Partial, part: tenancy.PartProject, why: "Coolify answers with the status 503", fix: "it is tried again automatically",
		prepare: func(s *subject) {
			s.cool.Fail("GET /projects", coolifytest.Fault{Status: http.StatusServiceUnavailable})
		},
		lift: func(s *subject) { s.cool.Clear("GET /projects") },
	},
	{
		name: "Coolify's token may not write", status: tenancy.Partial, part: tenancy.PartProject, why: "COOLIFY_API_TOKEN lacks an ability", fix: "make a token with read, write and deploy",
		prepare: func(s *subject) { s.tokens[0] = s.cool.Token("read") },
	},
	{
		name: "Coolify takes no more projects", status: tenancy.Partial, part: tenancy.PartProject, why: "Coolify refused to make the project", fix: "the log has its message",
		prepare: func(s *subject) {
			s.cool.Fail("POST /projects", coolifytest.Fault{Status: http.StatusUnprocessableEntity, Body: `{"message":"no more"}`})
		},
	},
	{
		name: "the project is gone", status: tenancy.Partial, part: tenancy.PartProject, why: "project is gone, or is another team's", fix: "restore it",
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			client := operatorsCoolify(s)
			uuid, err := coolify.ParseUUID(s.first.Parts.CoolifyProject)
			must(s, err)
			must(s, client.Project(uuid).Delete(s.Context()))
		}),
	},
	{
		name: "a second project with our mark, empty", status: tenancy.Ready,
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			twin(s)
		}),
	},
	{
		name: "a second project with our mark, with an app", status: tenancy.Partial, part: tenancy.PartProject,
		why: "both bear the workspace's mark", fix: "move what is in the second into the first",
		prepare: bornWith(func(s *subject, p *process) {
			withSite(s, p)
			s.cool.AddApp(twin(s).Environments[0].UUID, coolifytest.App{Name: "app"})
		}),
	},
}

// bornWith prepares with a process that nothing has happened to yet.
func bornWith(prepare func(*subject, *process)) func(*subject) {
	return func(s *subject) { prepare(s, s.start(s, nothing, 0)) }
}

// stopAfter provisions with a process that dies when Gitea has done that.
func (s *subject) stopAfter(what string) {
	s.Helper()
	p := s.start(s, diesAfter, 0)
	p.on = what
	_ = ensure(s.Context(), s, p) // it dies
	if !p.dead {
		s.Fatalf("nothing asked for %s", what)
	}
	s.clock.forward(3 * time.Minute)
}

// operatorsCoolify is the client of an operator of Coolify's.
func operatorsCoolify(s *subject) *coolify.Client {
	s.Helper()
	c, err := coolify.New(coolify.Config{
		URL: &url.URL{Scheme: "https", Host: "coolify.example.com"}, Token: secret.NewText(s.tokens[0]), Transport: short{s.cool},
	})
	must(s, err)
	return c.Metered(func(context.Context, coolify.Operation) (func(), error) { return func() {}, nil })
}

// twin makes a second project with the workspace's mark.
func twin(s *subject) coolifytest.Project {
	s.Helper()
	first := s.cool.Projects()[0]
	_, err := operatorsCoolify(s).CreateProject(s.Context(), coolify.NewProject{Name: first.Name, Description: first.Description})
	must(s, err)
	return s.cool.Projects()[1]
}

// TestHindrances: what stands in the way is told in a sentence, with what to do
// about it, and nothing that is not the workspace's is touched.
func TestHindrances(t *testing.T) {
	t.Parallel()
	for _, h := range hindrances {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := &subject{T: t, platform: newPlatform(t, storetest.Open(t, "sqlite"), h.cfg), slug: "acme"}
			s.owner = int64(s.git.AddUser(giteatest.User{Login: "owner"}).ID)
			s.git.AddUser(giteatest.User{Login: "mallory", Email: "mallory@example.com"})
			h.prepare(s)
			before := s.git.Snapshot()
			err := ensure(t.Context(), s, s.start(t, nothing, 0))
			h.check(s, err)
			wantUntouched(s, before)
			if h.lift != nil {
				h.lift(s)
				s.clock.forward(time.Hour)
				p := s.start(t, nothing, 0)
				must(t, s.job(t.Context(), p))
				wantWhole(s, p)
			}
			for _, v := range append(s.git.Violations(), s.cool.Violations()...) {
				t.Errorf("simulator: %s", v)
			}
		})
	}
}

// check holds what the operator reads.
func (h hindrance) check(s *subject, err error) {
	s.Helper()
	p := s.start(s, nothing, 0)
	is := s.parts(p)
	if h.part == "" {
		must(s, err)
		wantWhole(s, p)
		return
	}
	if err == nil || is.Status != h.status {
		s.Errorf("status %s (%v), want %s", is.Status, err, h.status)
	}
	said := tenancy.ParsePartErrors(is.ProvisionError)
	if len(said) != 1 {
		s.Fatalf("said: %s", is.ProvisionError)
	}
	e := said[0]
	if e.Part != h.part || !strings.Contains(e.Why, h.why) || !strings.Contains(e.Fix, h.fix) || e.Again != (h.lift != nil) {
		s.Errorf("said: %+v\nwant part %s, why %q, fix %q, again %v", e, h.part, h.why, h.fix, h.lift != nil)
	}
	if strings.Contains(is.ProvisionError, s.tokens[1]) || strings.Contains(is.ProvisionError, s.tokens[0]) {
		s.Error("a token is in it")
	}
}

// wantUntouched holds that what was on Gitea before is there as it was, but for
// what is the workspace's.
func wantUntouched(s *subject, before giteatest.State) {
	s.Helper()
	is, after := s.parts(s.start(s, nothing, 0)), s.git.Snapshot()
	ourOrg := func(o giteatest.Org) bool { return int64(o.ID) == is.OrgID }
	ourBot := func(u giteatest.User) bool { return int64(u.ID) == is.BotID }
	for _, st := range []*giteatest.State{&before, &after} {
		st.Orgs, st.Users = slices.DeleteFunc(st.Orgs, ourOrg), slices.DeleteFunc(st.Users, ourBot)
		st.Tokens = slices.DeleteFunc(st.Tokens, func(t giteatest.Token) bool { return is.BotID != 0 && t.User == is.Bot })
		st.Repos = slices.DeleteFunc(st.Repos, func(r giteatest.Repo) bool { return is.OrgID != 0 && r.Owner == is.Org })
	}
	after.Orgs = those(before.Orgs, after.Orgs, func(o giteatest.Org) int { return o.ID })
	after.Users = those(before.Users, after.Users, func(u giteatest.User) int { return u.ID })
	after.Tokens = those(before.Tokens, after.Tokens, func(t giteatest.Token) int { return t.ID })
	after.Repos = those(before.Repos, after.Repos, func(r giteatest.Repo) int { return r.ID })
	if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
		s.Errorf("what was not ours (-before +after)\n%s", diff)
	}
}

// those are the things that were there before.
func those[T any](before, after []T, id func(T) int) []T {
	return slices.DeleteFunc(after, func(a T) bool {
		return !slices.ContainsFunc(before, func(b T) bool { return id(a) == id(b) })
	})
}
