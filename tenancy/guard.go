package tenancy

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/internal/known"
	"github.com/vibnai/vibn-mcp/internal/waits"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// Config configures a [Guard].
type Config struct {
	Store     Store              // required
	Coolify   *coolify.Client    // required; token with read, write, deploy
	Sensitive *coolify.Sensitive // nil = deployment logs are refused
	Gitea     *gitea.Admin       // nil = workspaces have no repositories
	GiteaURL  string             // root of Gitea as clients reach it; required with Gitea
	PublicURL *url.URL           // root of this server as clients and Gitea reach it; nil = workspaces have no webhooks
	Box       *secret.Box        // required; seals cursors and tokens
	Log       *slog.Logger       // required
	Budget    Budget             // zero fields take the defaults of [DefaultBudget]
	PollEvery time.Duration      // between polls of running deployments; 0 = 3 s
	KnownFor  time.Duration      // how old what is known of a workspace may be; 0 = 5 s, less = it is never used
	// proves an operator who comes over the network; zero = no network access for
	// operators
	Admin    secret.Text
	Known    []secret.Text    // the platform's own secrets, removed from every log
	Now      func() time.Time // nil = time.Now
	Premises Premises         // the platform's addresses, apps' domain, default placement and accepted risks
	Plan     Plan             // of workspaces that have no plan of their own; zero fields are those of [DefaultPlan]
	Probe    *probe.Prober    // nil = no app's domain is probed, and verdicts say so

	// PlatformHosts are host names of the platform besides those of Premises.OwnURLs. A
	// workspace gets none of them, and no parent or child domain of one.
	PlatformHosts []string
	// LookupTXT returns the TXT records of a name that ends in a dot; nil uses the
	// system's resolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
}

// A Guard turns a proof of identity into a [Scope] and holds the clients that a Scope
// uses. It is safe for concurrent use.
type Guard struct {
	store         Store
	coolify       *coolify.Client
	sensitive     *coolify.Sensitive
	gitea         *gitea.Admin
	giteaURL      string
	publicURL     *url.URL // may be nil
	noHook        string   // sealed: a key that no webhook signs with
	admin         secret.Text
	box           *secret.Box
	log           *slog.Logger
	known         []secret.Text
	shown         *untrusted.Scrubber // contains known; for names and messages
	probe         *probe.Prober       // nil = nothing is probed
	now           func() time.Time
	platformHosts []string
	lookupTXT     func(ctx context.Context, name string) ([]string, error)

	plan     Plan
	budget   *budget
	envs     environments
	seen     *known.Shelf[[]place]       // by workspace id
	rows     *known.Shelf[[]coolify.Env] // by workspace id and application
	waits    *waits.Room[FoundDeployment]
	running  *known.Shelf[runningDeployments]
	premises Premises
}

// NewGuard returns a Guard that is ready to open Scopes.
func NewGuard(cfg Config) (*Guard, error) {
	if cfg.Store == nil || cfg.Coolify == nil || cfg.Box == nil || cfg.Log == nil {
		return nil, errors.New("tenancy: a guard needs a store, a Coolify client, a box and a log")
	}
	g := &Guard{
		store: cfg.Store, coolify: cfg.Coolify, sensitive: cfg.Sensitive, box: cfg.Box, log: cfg.Log,
		known: cfg.Known, now: cfg.Now, budget: newBudget(cfg.Budget), gitea: cfg.Gitea,
		giteaURL: strings.TrimRight(cfg.GiteaURL, "/"),
		admin:    cfg.Admin, publicURL: cfg.PublicURL, probe: cfg.Probe,
	}
	var err error
	if g.noHook, err = g.box.Seal(secret.NewText(RandomHex()), HookPlace("")); err != nil {
		return nil, err
	}
	if g.now == nil {
		g.now = time.Now
	}
	g.platformHosts = cfg.PlatformHosts
	if g.lookupTXT = cfg.LookupTXT; g.lookupTXT == nil {
		g.lookupTXT = net.DefaultResolver.LookupTXT
	}
	g.shown = g.scrubber()
	g.plan = cfg.Plan.Or(DefaultPlan())
	g.premises = cfg.Premises
	rules := known.Rules{Age: cmp.Or(cfg.KnownFor, seenAge), Most: maxSeen, Now: g.now}
	g.seen = known.New(rules, sizeOf)
	rules.Most = maxRows
	g.rows = known.New(rules, func(rows []coolify.Env) int { return len(rows) })
	g.waits = g.newWaitRoom(cmp.Or(max(cfg.PollEvery, 0), defaultPollEvery))
	g.running = g.newRunning()
	return g, nil
}

// OpenKey returns the Scope of a bearer key. Every refusal, whether the key is malformed
// or revoked, is the same [Unauthorized] error. Only a suspended workspace has an error
// of its own, as its key is valid. Nothing is cached: each call queries the store once.
func (g *Guard) OpenKey(ctx context.Context, key string) (*Scope, error) {
	digest, err := ParseKey(key)
	if err != nil {
		return nil, ErrUnauthorized
	}
	return g.open(ctx, keyPrincipal{digest})
}

// OpenMember returns the Scope of a person in the workspace with this slug. The caller
// has proved who the person is, by a session of vibn-mcp that began when they signed in.
// A workspace of which the person is no member is [NotFound], like one that does not
// exist.
func (g *Guard) OpenMember(ctx context.Context, userID, slug string, signedIn time.Time) (*Scope, error) {
	return g.open(ctx, memberPrincipal{userID, slug, signedIn})
}

// Stop makes every wait answer at once with what it knows, so that a stopping server does
// not keep its clients waiting.
func (g *Guard) Stop() { g.waits.Close() }

// HasOperator reports whether an operator can come over the network at all.
func (g *Guard) HasOperator() bool { return !g.admin.IsZero() }

// Reserve admits requests to Coolify on the operator's part of the budget, which tenants
// cannot spend. A meter on its own grants no access.
func (g *Guard) Reserve() coolify.Meter { return g.budget.reserve }

// open proves a principal and returns its Scope. No other function opens one.
func (g *Guard) open(ctx context.Context, p principal) (*Scope, error) {
	grant, err := p.prove(ctx, g)
	if err != nil {
		return nil, err
	}
	if grant.workspace.SuspendedAt != nil {
		return nil, &Error{
			Code: Forbidden, Msg: "this workspace is suspended",
			Hint: "its owner or the platform's operator can say why and lift it",
		}
	}
	return newScope(g, p, grant), nil
}

// A principal can prove a right to a workspace. Each proof reads the store again.
type principal interface {
	prove(ctx context.Context, g *Guard) (grant, error)
}

// A grant is what a principal may do at the moment of its proof.
type grant struct {
	workspace Workspace
	rights    Rights
	held      Rights     // rights before [Scope.Begin] narrowed them
	who       string     // as in [AuditEntry].Principal
	role      Role       // of a member; empty for a key
	ends      *time.Time // when the key expires; nil = never, or a member
}

// ErrUnauthorized is the one error for all keys that do not open a workspace.
var ErrUnauthorized = &Error{
	Code: Unauthorized, Msg: "this key is unknown, expired or revoked",
	Hint: "ask the workspace's owner for a new key and send it as \"Authorization: Bearer vibn_sk_…\"",
}

type keyPrincipal struct{ digest Digest }

func (p keyPrincipal) prove(ctx context.Context, g *Guard) (grant, error) {
	key, ws, err := g.store.KeyByDigest(ctx, p.digest)
	if errors.Is(err, ErrNotFound) {
		return grant{}, ErrUnauthorized
	}
	if err != nil {
		return grant{}, StoreError("look up a key", err)
	}
	now := g.now()
	if key.RevokedAt != nil || ws.DeletedAt != nil || (key.ExpiresAt != nil && !now.Before(*key.ExpiresAt)) {
		g.log.InfoContext(
			ctx, "key refused", "key_id", key.ID, "revoked", key.RevokedAt != nil, "workspace_deleted",
			ws.DeletedAt != nil,
		)
		return grant{}, ErrUnauthorized
	}
	g.touch(ctx, key, now)
	return grant{workspace: ws, rights: key.Rights, held: key.Rights, who: "key:" + key.ID, ends: key.ExpiresAt}, nil
}

// touch records the use of a key, at most once a minute. If that fails, the call goes on.
func (g *Guard) touch(ctx context.Context, key Key, now time.Time) {
	if key.LastUsedAt != nil && now.Sub(*key.LastUsedAt) < time.Minute {
		return
	}
	if err := g.store.TouchKey(ctx, key.WorkspaceID, key.ID, now); err != nil {
		g.log.WarnContext(ctx, "key use not recorded", "key_id", key.ID, "err", err)
	}
}

type memberPrincipal struct {
	userID, slug string
	signedIn     time.Time // the last time
}

func (p memberPrincipal) prove(ctx context.Context, g *Guard) (grant, error) {
	ws, role, err := g.store.Membership(ctx, p.slug, p.userID)
	if errors.Is(err, ErrNotFound) {
		return grant{}, &Error{Code: NotFound, Msg: "no such workspace"}
	}
	if err != nil {
		return grant{}, StoreError("look up a membership", err)
	}
	return grant{workspace: ws, rights: role.Rights(), held: role.Rights(), who: "member:" + p.userID, role: role}, nil
}
