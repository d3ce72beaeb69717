package tenancy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A platform is a Coolify, a Gitea and a database, on which processes of ours
// come and go.
type platform struct {
	db     tenancytest.Store
	cool   *coolifytest.Server
	git    *giteatest.Server
	clock  *handClock
	log    *slog.Logger
	tokens [2]string // Coolify's and Gitea's
	sealed []string  // the secrets key, and the old ones

	publicURL   *url.URL // of vibn-mcp
	pushesBurst int      // 0 = no limit that a test reaches
	requests    int      // to Coolify that a workspace may send, and the platform one; 0 = likewise

	gitURL  *url.URL          // of a real Gitea; nil = the simulated one
	gitWire http.RoundTripper // to it
}

// newPlatform makes a platform on a database, with simulators of its own.
func newPlatform(t testing.TB, db tenancytest.Store, cfg giteatest.Config) *platform {
	t.Helper()
	f := &platform{db: db, clock: newHandClock(), log: slog.New(slog.DiscardHandler), publicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"}, sealed: []string{"sealing-key-of-the-house-0123456789"}}
	cfg.Now = f.clock.Now
	f.cool, f.git = coolifytest.New(coolifytest.Config{RateLimit: -1, BuildTime: time.Second, Now: f.clock.Now}), giteatest.New(cfg)
	t.Cleanup(func() {
		if err := f.git.Close(); err != nil {
			t.Error(err)
		}
	})
	f.tokens = [2]string{f.cool.Token("read", "write", "deploy"), f.git.AdminToken(provision.GiteaTokenScopes()...)}
	return f
}

// A mode is what goes wrong at a point.
type mode string

const (
	nothing    mode = ""
	diesBefore mode = "dies before" // the process is gone, and nothing has happened
	diesAfter  mode = "dies after"  // the process is gone, and it has happened
	answerLost mode = "answer lost" // it has happened, but the process is told of a failure, and goes on
	goesAway   mode = "goes away"   // from here on this server does not answer
	overtaken  mode = "overtaken"   // the process is stopped for so long that another does its work, and then goes on
)

// An op is what a process asked of a server or of the database.
type op struct {
	where, what string
	write       bool
}

// A process is one run of ours, which may come to grief at its at-th op, or when
// it asks for that.
type process struct {
	mode        mode
	at          int
	atWrite     int    // the same, counted in writes to Gitea
	on          string // as in [op]; may be empty
	guard       *tenancy.Guard
	provisioner *provision.Provisioner
	operator    *people.Operator
	admin       *gitea.Admin // for looks of the test's own; it has a meter

	meanwhile func() // what the others do while it is overtaken

	mu     sync.Mutex
	ops    []op
	writes int // to Gitea
	dead   bool
	away   string
}

var errGone = errors.New("gone")

// start starts a process.
func (f *platform) start(t testing.TB, m mode, at int) *process {
	t.Helper()
	p := &process{mode: m, at: at}
	db := tenancytest.Tap{Store: f.db, Hook: func(method string, do func() error) error {
		return p.do(op{"database", method, !slices.Contains(tenancytest.StoreReads, method)}, do)
	}}
	gitURL, gitWire := f.gitURL, f.gitWire
	if gitURL == nil {
		gitURL, gitWire = &url.URL{Scheme: "https", Host: "git.example.com"}, short{f.git}
	}
	c, err1 := coolify.New(coolify.Config{
		URL: &url.URL{Scheme: "https", Host: "coolify.example.com"}, Token: secret.NewText(f.tokens[0]),
		Transport: line{p, "coolify", short{f.cool}}, RetryWait: time.Microsecond,
	})
	g, err2 := gitea.New(gitea.Config{
		URL: gitURL, Token: secret.NewText(f.tokens[1]), Transport: line{p, "gitea", gitWire}, RetryWait: time.Microsecond,
	})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	p.admin = g.Metered(free)
	budget := tenancytest.Unlimited()
	if f.pushesBurst > 0 {
		budget.PushesPerMinute, budget.PushesBurst = 1, f.pushesBurst
	}
	var err error
	if f.requests > 0 {
		budget.WorkspacePerMinute, budget.WorkspaceBurst, budget.MaxWait = 1, f.requests, time.Millisecond
		budget.ReservePerMinute, budget.ReserveBurst = 1, 1
	}
	cfg := tenancy.Config{
		Store: db, Coolify: c, Gitea: g, GiteaURL: gitURL.String(), Box: f.box(t), Log: f.log, Budget: budget,
		Now: f.clock.Now, PublicURL: f.publicURL, PollEvery: time.Nanosecond,
	}
	if p.guard, err = tenancy.NewGuard(cfg); err != nil {
		t.Fatal(err)
	}
	p.provisioner = provision.New(cfg, db, db, p.guard.Reserve())
	p.operator = people.NewOperator(db)
	return p
}

func (f *platform) box(t testing.TB) *secret.Box {
	t.Helper()
	var keys []secret.Text
	for _, k := range f.sealed {
		keys = append(keys, secret.NewText(k))
	}
	box, err := secret.NewBox(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// free is a meter that admits everything.
func free(context.Context, gitea.Operation) (func(), error) { return func() {}, nil }

// do does an op, unless the process has come to grief.
func (p *process) do(o op, act func() error) error {
	if !p.begin(o) {
		return errGone
	}
	if p.stops(o) {
		p.meanwhile()
	}
	err := act()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || !p.here(o) {
		return err
	}
	switch p.mode {
	case diesAfter:
		p.dead = true
		return errGone
	case answerLost:
		return errGone
	default:
		return err
	}
}

// begin reports whether an op reaches whom it is for.
func (p *process) begin(o op) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || p.away == o.where {
		return false
	}
	p.ops = append(p.ops, o)
	if o.write && o.where == "gitea" {
		p.writes++
	}
	if !p.here(o) {
		return true
	}
	switch p.mode {
	case diesBefore:
		p.dead = true
		return false
	case goesAway:
		p.away = o.where
		return false
	default:
		return true
	}
}

// stops reports whether the process is overtaken now.
func (p *process) stops(o op) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode == overtaken && p.here(o)
}

// here reports whether the op that came last is the one. A caller holds p.mu.
func (p *process) here(o op) bool {
	return len(p.ops) == p.at || p.on == o.what || p.atWrite > 0 && p.atWrite == p.writes && o.write && o.where == "gitea"
}

// A line carries requests of a process to a server.
type line struct {
	process *process
	where   string
	to      http.RoundTripper
}

func (l line) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	o := op{l.where, req.Method + " " + req.URL.Path, req.Method != http.MethodGet}
	err = l.process.do(o, func() error {
		resp, err = l.to.RoundTrip(req)
		return err
	})
	if err != nil && resp != nil {
		_ = resp.Body.Close()
		resp = nil
	}
	return resp, err
}

// A short is the shortest way to a handler, without a network.
type short struct{ to http.Handler }

func (s short) RoundTrip(req *http.Request) (*http.Response, error) {
	in := req.Clone(req.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	aborted := func() (aborted any) {
		defer func() { aborted = recover() }()
		s.to.ServeHTTP(rec, in)
		return nil
	}()
	if aborted != nil {
		return nil, io.ErrUnexpectedEOF
	}
	resp := rec.Result()
	resp.Body, resp.Request = io.NopCloser(bytes.NewReader(rec.Body.Bytes())), req
	return resp, nil
}

// A subject is the workspace that a life is about, on a platform of its own.
type subject struct {
	*testing.T
	*platform
	slug   string
	others []string // other workspaces on the platform
	owner  int64    // the owner's id on Gitea
	ws     tenancy.Workspace
	first  tenancy.Provision // as it was when the disturbed act began
	key    string            // of a builder
	keyID  string
	web    string      // uuid of an app; see withPlainApp
	pat    secret.Text // the key's
	asked  bool        // who ordered the act was told that it will be done
	since  time.Time   // when the mischief was done
	pushes int         // how many there were
}

// A life is a part of a workspace's life. Its act is what is disturbed.
type life struct {
	name   string
	least  int                      // ops that the act has at least
	once   bool                     // a workspace goes through it once, so each run needs a new one
	alone  bool                     // it ends before another process may do the same
	on     []giteatest.Behaviour    // servers on which it is tried
	birth  func(*subject, *process) // makes the workspace
	before func(*subject, *process) // brings it to where the act begins
	act    func(context.Context, *subject, *process) error
	rival  func(*subject, *process) // what else is done while the act is overtaken; may be nil
	after  func(*subject, *process) // holds what must have become of it
}

// Servers differ in the ways to a token, and a little in what they refuse.
var (
	everywhere = []giteatest.Behaviour{giteatest.V121, giteatest.V126, giteatest.V127, giteatest.Forgejo}
	onBoth     = []giteatest.Behaviour{giteatest.V126, giteatest.V127}
	onOne      = []giteatest.Behaviour{giteatest.V126}
)

var lives = []life{
	{
		name: "provision", on: everywhere, least: 35, once: true,
		birth: func(*subject, *process) {}, before: func(*subject, *process) {}, act: ensure,
		after: func(s *subject, p *process) { wantWhole(s, p) },
	},
	{
		name: "rotate", on: everywhere, least: 35, birth: withSite, before: withToken,
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error { return p.operator.Rotate(ctx, s.ws) })
		},
		after: func(s *subject, p *process) {
			wantWhole(s, p)
			wantDead(s, s.pat)
			if is := s.parts(p); is.TokenID == s.first.TokenID || is.HookSealed == s.first.HookSealed {
				s.Errorf("the workspace's token or its webhook's secret is the one from before")
			}
		},
	},
	{
		name: "token of a key", on: everywhere, least: 10, once: true, birth: withSite, before: func(*subject, *process) {}, act: reveal,
		after: func(s *subject, p *process) {
			must(s, reveal(s.Context(), s, p))
			s.clock.forward(time.Hour) // what was lost on the way is nobody's by now
			s.sweep(p)
			wantWhole(s, p, s.pat)
		},
	},
	{
		name: "end of a key", on: onOne, least: 35, birth: withSite, before: withToken,
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error { return p.operator.RevokeKey(ctx, s.ws, s.keyID) })
		},
		after: func(s *subject, p *process) {
			wantWhole(s, p)
			wantDead(s, s.pat)
		},
	},
	{
		name: "project", on: onBoth, least: 10, once: true, birth: withWorkspace, before: func(*subject, *process) {}, act: createSite,
		after: wantSite,
	},
	{
		name: "project that nobody asks for again", on: onOne, least: 10, once: true, birth: withWorkspace, before: func(*subject, *process) {},
		act: func(ctx context.Context, s *subject, p *process) error {
			_ = createSite(ctx, s, p) // the agent that wanted it has gone
			return nil
		},
		after: func(s *subject, p *process) {
			s.clock.forward(2 * time.Hour)
			s.sweep(p)
			if list, err := s.db.Projects(s.Context(), s.ws.ID); err != nil || len(list) == 0 {
				wantWhole(s, p)
				return // it was not even written down
			}
			wantSite(s, p)
		},
	},
	{
		name: "suspend", on: onOne, least: 25, birth: withSite,
		before: func(s *subject, p *process) {
			must(s, s.order(s.Context(), p, func() error { return p.operator.Resume(s.Context(), s.ws) }))
			s.asked = false
			withToken(s, p)
		},
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error { return p.operator.Suspend(ctx, s.ws) })
		},
		after: wantShut,
	},
	{
		name: "resume", on: onOne, least: 35, birth: withSite,
		before: func(s *subject, p *process) {
			withToken(s, p)
			must(s, s.order(s.Context(), p, func() error { return p.operator.Suspend(s.Context(), s.ws) }))
			s.asked = false
		},
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error { return p.operator.Resume(ctx, s.ws) })
		},
		after: func(s *subject, p *process) {
			wantWhole(s, p)
			wantDead(s, s.pat)
		},
	},
	{
		name: "reconcile", on: onBoth, least: 50, birth: withSite, before: func(s *subject, _ *process) { s.mischief() },
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error { return p.operator.Provision(ctx, s.ws) })
		},
		after: func(s *subject, p *process) {
			wantWhole(s, p)
			wantNoMischief(s)
		},
	},
	{
		name: "rename", on: onOne, least: 50, birth: withApp, before: func(s *subject, p *process) { s.oldNames(p) },
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error { return p.operator.RenameInGitea(ctx, s.ws, true) })
		},
		after: func(s *subject, p *process) {
			is := s.parts(p)
			if app, _ := s.cool.App(s.record("web").UUID); is.Org != s.org() || is.Bot != s.bot() || is.Renaming || !strings.Contains(app.GitRepository, s.org()+"/") {
				s.Errorf("%s %s %v; the app's address: %s", is.Org, is.Bot, is.Renaming, app.GitRepository)
			}
		},
	},
	{
		name: "push", on: onBoth, least: 20, alone: true, birth: withApp,
		before: func(s *subject, p *process) {
			s.push("main")
			s.told(p)
		},
		act: func(_ context.Context, s *subject, p *process) error { return s.settle(p) },
		after: func(s *subject, _ *process) {
			wantDeployed(s, s.git.Head(s.repo(), "main"))
		},
	},
	{
		name: "push that overtakes another", on: onBoth, least: 20, alone: true, birth: withApp,
		before: func(s *subject, p *process) {
			s.push("main")
			s.told(p)
			_, err := s.look(p)
			must(s, err)
			s.build()
			s.push("main")
			s.told(p)
		},
		act: func(_ context.Context, s *subject, p *process) error { return s.settle(p) },
		after: func(s *subject, _ *process) {
			wantDeployed(s, s.git.Head(s.repo(), "main"))
		},
	},
	{
		name: "deprovision", on: everywhere, least: 35, once: true, birth: withSite,
		before: func(s *subject, p *process) {
			withToken(s, p)
			s.mischief()
			s.git.AddPackage(giteatest.Package{Owner: s.first.Org, Name: "tool"})
		},
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error {
				ws, err := p.operator.AnyWorkspace(ctx, s.slug) // as the command does
				if err != nil {
					return err
				}
				return p.operator.DeleteWorkspace(ctx, ws)
			})
		},
		after: wantNothing,
	},
}

// TestCrash disturbs each life at each of its points, which a run that nobody
// disturbs tells. Whatever happened, the next process brings all to where it was
// meant to be, and nothing is left over.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, l := range slices.Concat(lives, livesOfDatabases) {
		for _, b := range l.on {
			t.Run(l.name+" on "+string(b), func(t *testing.T) {
				t.Parallel()
				l.disturbAll(t, b)
			})
		}
	}
}

// disturbAll disturbs a life at each of its points.
func (l life) disturbAll(t *testing.T, b giteatest.Behaviour) {
	s := l.born(t, b)
	calm := l.disturb(t, s, nothing, 0)
	if len(calm) < l.least {
		t.Fatalf("only %d ops: %v", len(calm), calm)
	}
	runs := 0
	for i, o := range calm {
		for _, m := range modesFor(o, b) {
			if m == overtaken && l.alone {
				continue
			}
			if l.once {
				s = l.born(t, b)
			}
			runs++
			ops := l.disturb(t, s, m, i+1)
			if t.Failed() {
				return // one that shows it will do
			}
			if len(ops) <= i || ops[i].where != o.where || ops[i].write != o.write {
				t.Fatalf("op %d is not %v, as it was before, but %v", i+1, o, ops[min(i, len(ops)):])
			}
		}
	}
	t.Logf("%d ops, %d runs that came to grief", len(calm), runs)
}

// born makes a workspace on a platform of its own.
func (l life) born(t *testing.T, b giteatest.Behaviour) *subject {
	t.Helper()
	s := &subject{T: t, platform: newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{Behaviour: b}), slug: "acme"}
	s.owner = int64(s.git.AddUser(giteatest.User{Login: "owner", Email: "owner@example.com"}).ID)
	s.git.AddUser(giteatest.User{Login: "friend"})
	l.birth(s, s.start(t, nothing, 0))
	return s
}

// modesFor says what to try at an op. To die before a write leaves the same as to
// die after the one before it, so each server is tried with one of the two. At a
// read nothing can be lost, but from there on a server can be away.
func modesFor(o op, b giteatest.Behaviour) []mode {
	switch {
	case b == giteatest.V126 && !o.write && o.where != "database":
		return []mode{goesAway}
	case !o.write:
		return nil
	case b == giteatest.V126 && o.where != "database":
		return []mode{diesAfter, answerLost, overtaken}
	case b == giteatest.V126:
		return []mode{diesAfter, answerLost}
	case b == giteatest.V127:
		return []mode{diesBefore, answerLost}
	case b == giteatest.V121:
		return []mode{diesAfter}
	}
	return []mode{answerLost}
}

// disturb lets a subject live that part of its life, with what goes wrong at a
// point, and returns the ops of the disturbed process.
func (l life) disturb(t *testing.T, s *subject, m mode, at int) (ops []op) {
	t.Helper()
	name := "undisturbed"
	if m != nothing {
		name = fmt.Sprintf("%s op %d", m, at)
	}
	t.Run(name, func(t *testing.T) {
		s.T, s.asked = t, false
		l.before(s, s.start(t, nothing, 0))
		p, next := s.start(t, m, at), s.start(t, nothing, 0)
		const long = 3 * time.Minute // longer than a run is held, and than a token takes
		p.meanwhile = func() {
			s.clock.forward(long)
			s.sweep(next)
			if l.rival != nil {
				l.rival(s, next)
			}
		}
		err := l.act(t.Context(), s, p)
		ops = p.ops
		defer func() {
			if t.Failed() {
				t.Logf("it came to grief at %v: %v", p.ops[max(0, at-1):min(at, len(p.ops))], err)
			}
		}()
		if m == nothing && err != nil {
			t.Fatal(err)
		}
		if dies := m == diesBefore || m == diesAfter; dies != p.dead {
			t.Fatalf("the process is dead: %v", p.dead)
		}
		s.clock.forward(long)
		s.sweep(next)
		switch {
		case err != nil && !s.asked: // who ordered it was told that it failed, and orders again
			must(t, l.act(t.Context(), s, next))
		case err != nil: // a job that failed, or whose process is gone, is run again
			must(t, s.job(t.Context(), next))
		}
		l.after(s, next)
		for _, v := range append(s.git.Violations(), s.cool.Violations()...) {
			t.Errorf("simulator: %s", v)
		}
	})
	return ops
}

// order is an order of the operator's, and the job that follows it.
func (s *subject) order(ctx context.Context, p *process, order func() error) error {
	if err := order(); err != nil {
		return err
	}
	s.asked = true
	return s.job(ctx, p)
}

// job is what a worker does for the workspace.
func (s *subject) job(ctx context.Context, p *process) error { return s.jobOf(ctx, p, s.ws.ID) }

// jobOf comes back for what Coolify takes its time for: the databases of a workspace go
// first, and then what keeps its network.
func (s *subject) jobOf(ctx context.Context, p *process, id string) error {
	for range 2 {
		err := p.provisioner.Provision(ctx, id)
		wrong, ok := errors.AsType[*provision.PartsError](err)
		if !ok || !slices.ContainsFunc(wrong.Errors, func(e tenancy.PartError) bool {
			return e.Again && (e.Part == tenancy.PartDatabases || e.Part == tenancy.PartNetwork)
		}) {
			return err
		}
		s.clock.forward(time.Minute)
	}
	return p.provisioner.Provision(ctx, id)
}

// sweep does the jobs that a sweep finds for the workspace.
func (s *subject) sweep(p *process) {
	s.Helper()
	ws, err := s.db.AnyWorkspace(s.Context(), s.slug)
	if errors.Is(err, tenancy.ErrNotFound) {
		return
	}
	must(s, err)
	err = p.provisioner.Sweep(s.Context(), func(ctx context.Context, id string) error {
		if id != ws.ID {
			s.Errorf("a workspace is due that nobody made")
		}
		return s.jobOf(ctx, p, id)
	})
	if err != nil {
		s.Fatalf("the next run: %v\n%s", err, s.parts(p).ProvisionError)
	}
}

func (s *subject) parts(p *process) tenancy.Provision {
	s.Helper()
	ws, err := s.db.AnyWorkspace(s.Context(), s.slug)
	must(s, err)
	is, err := p.operator.Parts(s.Context(), ws)
	must(s, err)
	return is
}

// there returns what is recorded of the workspace, and what is on Gitea and
// Coolify but for what other workspaces have.
func (s *subject) there(p *process) (is tenancy.Provision, git giteatest.State, projects []coolifytest.Project) {
	s.Helper()
	is, git, projects = s.parts(p), s.git.Snapshot(), s.cool.Projects()
	foreign := func(name string) bool {
		return slices.ContainsFunc(s.others, func(slug string) bool {
			return strings.HasPrefix(name, "vibn-"+slug+"-") || strings.HasPrefix(name, "vibn-bot-"+slug+"-") || name == "vibn-ws-"+slug
		})
	}
	git.Orgs = slices.DeleteFunc(git.Orgs, func(o giteatest.Org) bool { return foreign(o.Name) })
	git.Users = slices.DeleteFunc(git.Users, func(u giteatest.User) bool { return foreign(u.Login) })
	git.Repos = slices.DeleteFunc(git.Repos, func(r giteatest.Repo) bool { return foreign(r.Owner) })
	projects = slices.DeleteFunc(projects, func(p coolifytest.Project) bool { return foreign(p.Name) })
	return is, git, projects
}

// ensure makes the workspace and its parts.
func ensure(ctx context.Context, s *subject, p *process) error {
	ws, _, err := p.operator.EnsureWorkspace(ctx, tenancy.Person{
		UserID: "user-" + s.slug, Email: s.slug + "@example.com", GiteaUserID: s.owner,
	}, tenancy.Placement{})
	if err != nil {
		return err
	}
	s.ws = ws
	return s.job(ctx, p)
}

// names are those of the workspace's organisation and bot, before they are made too.
func (s *subject) names() (org, bot string) {
	s.Helper()
	ws, _, err := people.NewOperator(s.db).EnsureWorkspace(s.Context(), tenancy.Person{
		UserID: "user-" + s.slug, Email: s.slug + "@example.com", GiteaUserID: s.owner,
	}, tenancy.Placement{})
	must(s, err)
	nonce, err := s.db.KeepNonce(s.Context(), ws.ID, tenancy.RandomHex())
	must(s, err)
	return provision.OrgName(s.slug, nonce), provision.BotName(s.slug, nonce)
}

func (s *subject) org() string {
	org, _ := s.names()
	return org
}

func (s *subject) bot() string {
	_, bot := s.names()
	return bot
}

// oldNames gives the workspace the names of old, which its app's address has too.
func (s *subject) oldNames(p *process) {
	s.Helper()
	was := s.parts(p)
	now := was.Parts
	now.Org, now.Bot = "vibn-"+s.slug, "vibn-bot-"+s.slug
	s.git.RenameUser(was.Org, now.Org)
	s.git.RenameUser(was.Bot, now.Bot)
	must(s, s.db.SetParts(s.Context(), s.ws.ID, was.Parts, now))
	s.cool.SetApp(s.record("web").UUID, func(a *coolifytest.App) {
		a.GitRepository = strings.Replace(a.GitRepository, was.Org+"/", now.Org+"/", 1)
	})
}

// withWorkspace makes a workspace with a key.
func withWorkspace(s *subject, p *process) {
	s.Helper()
	must(s, ensure(s.Context(), s, p))
	s.first = s.parts(p)
	s.mintKey(p)
}

// withSite makes one with a repository, without the detour through a Scope.
func withSite(s *subject, p *process) {
	s.Helper()
	withWorkspace(s, p)
	project := tenancy.Project{ID: "project-" + s.slug, WorkspaceID: s.ws.ID, Slug: "site", Name: "site", Description: "a site"}
	must(s, s.db.CreateProject(s.Context(), project))
	repo := s.git.AddRepo(s.first.Org, giteatest.Repo{Name: "site", Description: "a site", Private: true, NoActions: true})
	must(s, s.db.RecordRepository(s.Context(), s.ws.ID, project.ID, int64(repo.ID), s.first.Org+"/site"))
}

// withToken gives the workspace a key that has a token.
func withToken(s *subject, p *process) {
	s.Helper()
	s.first = s.parts(p)
	s.mintKey(p)
	must(s, reveal(s.Context(), s, p))
}

func (s *subject) mintKey(p *process) {
	s.Helper()
	rights, err := tenancy.PresetRights("builder")
	must(s, err)
	k, text, err := p.operator.CreateKey(s.Context(), s.ws, "builder", rights, 0)
	must(s, err)
	s.key, s.keyID = text.Reveal(), k.ID
}

func createSite(ctx context.Context, s *subject, p *process) error {
	return step{tenancy.Write, func(ctx context.Context, sc *tenancy.Scope) error {
		_, _, err := repository.CreateProject(ctx, sc, "site", "a site")
		return err
	}}.try(ctx, p.guard, s.key)
}

// reveal asks for the token of the subject's key.
func reveal(ctx context.Context, s *subject, p *process) error {
	return step{tenancy.Git, func(ctx context.Context, sc *tenancy.Scope) error {
		c, err := repository.Credentials(ctx, sc, true)
		if err == nil {
			s.pat = c.Token
		}
		return err
	}}.try(ctx, p.guard, s.key)
}

// mischief is what a bot can do with a repository, and a person who could see the
// organisation's settings.
func (s *subject) mischief() {
	s.Helper()
	org, bot := s.first.Org, s.first.Bot
	s.clock.forward(time.Second)
	s.since = s.clock.Now()
	for _, into := range []string{org, bot} {
		if _, err := s.git.AddFork(org+"/site", into, "fork", bot); err != nil {
			s.Fatal(err)
		}
	}
	s.git.AddDeployKey(org+"/site", giteatest.DeployKey{Title: "back door", Key: publicKey(s)})
	s.git.AddHook(org+"/site", giteatest.Hook{URL: "https://thief.example.com"})
	s.git.AddOrgHook(org, giteatest.Hook{URL: "https://thief.example.com/of-the-organisation"})
	s.git.AddOrgHook(org, giteatest.Hook{URL: "https://vibn.example.com/hooks/gitea/" + s.slug, Secret: "of the thief's"})
	s.git.AddMirror(org+"/site", giteatest.Mirror{Address: "https://thief.example.com/site.git"})
	s.git.AddCollaborator(org+"/site", "friend", "admin")
	s.git.SetRepo(org+"/site", func(r *giteatest.Repo) { r.Private, r.NoActions = false, false })
}

var bearsMark = regexp.MustCompile(`^Workspace \S+ vibn-[0-9a-f]{32}$`)

// wantWhole holds what a provisioned workspace is: one project, one organisation
// with two teams, one bot that can do little, one token of the workspace's that
// opens and works, one for each of keys, and nothing else.
func wantWhole(s *subject, p *process, keys ...secret.Text) {
	s.Helper()
	is, there, projects := s.there(p)
	if is.Status != tenancy.Ready || is.ProvisionError != "" || is.Done < is.Wanted {
		s.Errorf("status %s, done %d of %d: %s", is.Status, is.Done, is.Wanted, is.ProvisionError)
	}
	if len(projects) != 1 || projects[0].UUID != is.Parts.CoolifyProject || !bearsMark.MatchString(projects[0].Description) {
		s.Errorf("projects %+v, recorded %q", projects, is.Parts.CoolifyProject)
	}
	wantOrg(s, is, there, is.Bot, "owner")
	wantBot(s, is, there, false)
	wantHook(s, is, there)
	plain, err := s.box(s).Open(is.TokenSealed, tenancy.TokenPlace(is.ID))
	if err != nil {
		s.Errorf("the workspace's token does not open: %v", err)
	}
	wantTokens(s, p, is, there, append(keys, plain)...)
}

// wantDeployed holds that a commit was deployed once, and last, and that Gitea was
// told of its success.
func wantDeployed(s *subject, commit string) {
	s.Helper()
	got := s.deployed("web")
	times := len(slices.DeleteFunc(slices.Clone(got), func(c string) bool { return c != commit }))
	if times != 1 || got[len(got)-1] != commit {
		s.Errorf("%s was deployed %d times: %v", commit, times, got)
	}
	states := s.states("web", commit)
	if len(states) < 2 || states[0] != "pending" || states[len(states)-1] != "success" {
		s.Errorf("it is said of it: %v", states)
	}
	if rec := s.record("web"); rec.Head != commit || rec.Reported != "success" || s.wanted() != 0 {
		s.Errorf("recorded: %+v, %d pushes not looked at", rec, s.wanted())
	}
}

// wantHook holds that the organisation has one webhook, with the recorded secret.
func wantHook(s *subject, is tenancy.Provision, there giteatest.State) {
	s.Helper()
	key, err := s.box(s).Open(is.HookSealed, tenancy.HookPlace(is.ID))
	if err != nil {
		s.Errorf("the webhook's secret does not open: %v", err)
	}
	want := []giteatest.Hook{{
		ID: int(is.HookID), URL: "https://vibn.example.com/hooks/gitea/" + s.slug, ContentType: "json", Secret: key.Reveal(), Events: []string{"push"},
	}}
	if diff := cmp.Diff(want, there.Orgs[0].Hooks); diff != "" {
		s.Errorf("webhooks (-want +got)\n%s", diff)
	}
}

func wantOrg(s *subject, is tenancy.Provision, there giteatest.State, members ...string) {
	s.Helper()
	if len(there.Orgs) != 1 || int64(there.Orgs[0].ID) != is.OrgID || there.Orgs[0].Name != is.Org || there.Orgs[0].Visibility != "private" {
		s.Fatalf("organisations %+v, recorded %d", there.Orgs, is.OrgID)
	}
	teams := there.Orgs[0].Teams
	if len(teams) != 2 || teams[0].Name != "Owners" || teams[1].Name != "Writers" || int64(teams[1].ID) != is.TeamID {
		s.Fatalf("teams %+v, recorded %d", teams, is.TeamID)
	}
	slices.Sort(members)
	if diff := cmp.Diff([][]string{{s.git.Admin()}, members}, [][]string{teams[0].Members, teams[1].Members}); diff != "" {
		s.Errorf("owners and writers (-want +got)\n%s", diff)
	}
	units := map[string]string{"repo.code": "write", "repo.issues": "write", "repo.pulls": "write", "repo.releases": "write"}
	if diff := cmp.Diff(units, teams[1].Units); diff != "" || !teams[1].IncludesAllRepositories || teams[1].CanCreateOrgRepo {
		s.Errorf("writers %+v\n%s", teams[1], diff)
	}
}

func wantBot(s *subject, is tenancy.Provision, there giteatest.State, shut bool) {
	s.Helper()
	bots := slices.DeleteFunc(there.Users, func(u giteatest.User) bool {
		return slices.Contains([]string{s.git.Admin(), "owner", "friend", "mallory"}, u.Login)
	})
	if len(bots) != 1 {
		s.Fatalf("bots %+v", bots)
	}
	want := giteatest.User{
		ID: int(is.BotID), Login: is.Bot, LoginName: is.Bot, Email: bots[0].Email, Visibility: "private",
		Restricted: true, ProhibitLogin: shut, NoCreateOrganization: true, MaxRepoCreation: new(0),
	}
	if diff := cmp.Diff(want, bots[0]); diff != "" {
		s.Errorf("the bot (-want +got)\n%s", diff)
	}
}

// wantTokens holds that the bot's tokens are those, and that each works.
func wantTokens(s *subject, p *process, is tenancy.Provision, there giteatest.State, tokens ...secret.Text) {
	s.Helper()
	var want, got []string
	for _, t := range tokens {
		want = append(want, t.Reveal()[len(t.Reveal())-8:])
		if alive, err := p.admin.Bot(t).Metered(free).Alive(s.Context()); err != nil || !alive {
			s.Errorf("a token is dead: %v", err)
		}
	}
	for _, t := range there.Tokens {
		if t.User != is.Bot {
			continue
		}
		got = append(got, t.LastEight)
		if diff := cmp.Diff([]string{"write:repository"}, t.Scopes); diff != "" {
			s.Errorf("scopes (-want +got)\n%s", diff)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("the bot's tokens, by their last characters (-want +got)\n%s", diff)
	}
	if rows, err := s.db.BotTokens(s.Context(), is.ID); err != nil || len(rows) != len(tokens)-1 {
		s.Errorf("tokens of keys that are recorded: %+v %v, want %d", rows, err, len(tokens)-1)
	}
}

func wantDead(s *subject, token secret.Text) {
	s.Helper()
	if alive, err := s.start(s, nothing, 0).admin.Bot(token).Metered(free).Alive(s.Context()); err == nil && alive {
		s.Error("the old token is alive")
	}
}

// wantSite holds that the workspace has one repository, as it was asked for.
func wantSite(s *subject, p *process) {
	s.Helper()
	wantWhole(s, p)
	wantRepository(s)
	list, err := s.db.Projects(s.Context(), s.ws.ID)
	repo := s.git.Snapshot().Repos[0]
	if err != nil || len(list) != 1 || list[0].RepositoryID != int64(repo.ID) || list[0].Repository != repo.Owner+"/site" || len(repo.Heads) != 1 {
		s.Errorf("projects %+v %v", list, err)
	}
	if readme, _ := s.git.File(s.repo(), "main", "README.md"); readme != "# site\n\na site\n" || aMark.Match(s.commits()) {
		s.Errorf("README.md %q, commits %s", readme, s.commits())
	}
}

func wantRepository(s *subject) {
	s.Helper()
	repos := s.git.Snapshot().Repos
	if len(repos) != 1 {
		s.Fatalf("repositories %+v", repos)
	}
	want := giteatest.Repo{
		ID: repos[0].ID, Owner: s.first.Org, Name: "site", Description: "a site", DefaultBranch: "main", Private: true, NoActions: true,
		Collaborators: map[string]string{}, Heads: repos[0].Heads,
	}
	if diff := cmp.Diff(want, repos[0]); diff != "" {
		s.Errorf("the repository (-want +got)\n%s", diff)
	}
}

// wantNoMischief holds that only the repository is there, as it was, and that the
// audit trail shows all that was taken away.
func wantNoMischief(s *subject) {
	s.Helper()
	wantRepository(s)
	entries, err := s.db.Audit(s.Context(), s.ws.ID, tenancy.AuditQuery{Tool: "platform.reconcile", Limit: 20})
	must(s, err)
	entries = slices.DeleteFunc(entries, func(e tenancy.AuditEntry) bool { return e.At.Before(s.since) })
	for _, what := range []string{
		`"removed":"fork"`, `"removed":"repository of the bot's own"`, `"removed":"deploy_key"`, `"removed":"hook"`, `"removed":"push_mirror"`,
		`"removed":"collaborator"`, `"removed":"public visibility or Actions"`, `"name":"https://thief.example.com/of-the-organisation"`,
	} {
		if !slices.ContainsFunc(entries, func(e tenancy.AuditEntry) bool { return strings.Contains(unquoteHTML(e.Args), what) }) {
			s.Errorf("the audit trail says nothing of %s: %+v", what, entries)
		}
	}
}

// unquoteHTML undoes what encoding/json does to an apostrophe.
func unquoteHTML(s string) string { return strings.ReplaceAll(s, `\u0027`, `'`) }

// wantShut holds that a suspended workspace is there, and nobody gets in.
func wantShut(s *subject, p *process) {
	s.Helper()
	is, there, _ := s.there(p)
	if is.Status != tenancy.Ready || is.ProvisionError != "" || is.Done < is.Wanted {
		s.Errorf("status %s, done %d of %d: %s", is.Status, is.Done, is.Wanted, is.ProvisionError)
	}
	wantOrg(s, is, there)
	wantBot(s, is, there, true)
	if len(there.Orgs[0].Hooks) != 0 || is.HookID != 0 || is.HookSealed != "" {
		s.Errorf("webhooks %+v, recorded %d", there.Orgs[0].Hooks, is.HookID)
	}
	wantDead(s, s.pat)
	if rows, err := s.db.BotTokens(s.Context(), is.ID); err != nil || len(rows) > 0 {
		s.Errorf("tokens of keys that are recorded: %+v %v", rows, err)
	}
	wantRepository(s)
}

// wantNothing holds that nothing of the workspace is left anywhere.
func wantNothing(s *subject, p *process) {
	s.Helper()
	is, there, projects := s.there(p)
	if is.DeletedAt == nil || is.ProvisionError != "" || is.Done < is.Wanted {
		s.Errorf("deleted %v, done %d of %d: %s", is.DeletedAt, is.Done, is.Wanted, is.ProvisionError)
	}
	gone := tenancy.Parts{Org: is.Org, Bot: is.Bot}
	if diff := cmp.Diff(gone, is.Parts); diff != "" {
		s.Errorf("parts (-want +got)\n%s", diff)
	}
	for _, u := range there.Users {
		if strings.Contains(u.Login, s.slug) {
			s.Errorf("left: user %s", u.Login)
		}
	}
	for _, t := range there.Tokens {
		if t.User != s.git.Admin() {
			s.Errorf("left: a token of %s", t.User)
		}
	}
	if len(there.Left) > 0 {
		s.Errorf("left in Gitea's database: %+v", there.Left)
	}
	if n := len(there.Orgs) + len(there.Repos) + len(there.Packages) + len(projects); n > 0 {
		s.Errorf("left: %+v %+v %+v %+v", there.Orgs, there.Repos, there.Packages, projects)
	}
	values, err := s.db.SealedValues(s.Context())
	must(s, err)
	for _, v := range values {
		if v.Place.Row == s.ws.ID {
			s.Errorf("left: a sealed value in %s", v.Place.Table)
		}
	}
}

// TestTap calls every method of a tapped store: each goes through the hook, by
// its name, and reaches nothing when the hook says so.
func TestTap(t *testing.T) {
	t.Parallel()
	var called []string
	tap := reflect.ValueOf(tenancytest.Tap{Hook: func(method string, _ func() error) error {
		called = append(called, method)
		return errGone
	}})
	methods := reflect.TypeFor[tenancytest.Store]()
	var want []string
	for m := range methods.Methods() {
		want = append(want, m.Name)
		var args []reflect.Value
		for in := range m.Type.Ins() {
			args = append(args, reflect.Zero(in))
		}
		out := tap.MethodByName(m.Name).Call(args)
		if err, _ := reflect.TypeAssert[error](out[len(out)-1]); !errors.Is(err, errGone) {
			t.Errorf("%s: %v, want the hook's error", m.Name, err)
		}
	}
	if diff := cmp.Diff(want, called); diff != "" {
		t.Errorf("methods that went through the hook (-want +got)\n%s", diff)
	}
	for _, name := range tenancytest.StoreReads {
		if !slices.Contains(want, name) {
			t.Errorf("StoreReads has %s, which no store has", name)
		}
	}
}
