package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

var serverNeeds = []string{"VIBN_SECRETS_KEY", "COOLIFY_URL", "COOLIFY_API_TOKEN"}

var serveCommand = command{
	name: "serve", about: "serve MCP and REST over HTTP", needs: serverNeeds,
	run: func(ctx context.Context, p *program) error {
		log := slog.New(slog.NewJSONHandler(p.stderr, nil))
		ln, err := p.cfg.startListening(ctx)
		if err != nil {
			return hinted{err, "is another program there? VIBN_LISTEN names another address"}
		}
		defer func() { _ = ln.Close() }()
		h, err := p.openServer(ctx, log)
		if err != nil {
			return err
		}
		defer h.close()
		h.logCoolifyVersion(ctx)
		public := p.cfg.reachedAt()
		log.InfoContext(
			ctx, "serving", "listen", ln.Addr().String(), "public_url", public.String(), "database", h.db.Dialect(),
			"version", version(),
		)
		return h.serve(ctx, ln, public, p.cfg.allowedHosts)
	},
}

var migrateCommand = command{
	name: "migrate", about: "bring the database up to date", reads: databaseVariables,
	run: func(ctx context.Context, p *program) error {
		db, err := store.Open(ctx, store.Config{URL: p.cfg.databaseURL, Dir: p.cfg.dataDir})
		if err != nil {
			return databaseError(err)
		}
		defer closeStore(db)
		n, rotated, err := db.Migrate(ctx)
		if err != nil {
			return err
		}
		p.sayf("%s is up to date; migrations applied: %d\n", db.Dialect(), n)
		for _, slug := range rotated {
			p.sayf("workspace %s: %s\n", untrusted.Clean(slug), replaced)
		}
		return nil
	},
}

// replaced is said of a workspace when the database is brought up to date.
const replaced = "its own Gitea token is being replaced, because a person was shown it by an earlier release"

// A server holds the parts of a running program.
type server struct {
	db           *store.DB
	guard        *tenancy.Guard
	provisioner  *provision.Provisioner
	registry     *mcp.Registry
	placement    tenancy.Placement // of new workspaces
	provider     *sidecar.Provider // nil = people sign in by links only
	log          *slog.Logger
	deliveries   push.Deliveries
	auditDays    int    // for how long the audit trail is kept; 0 = defaultAuditDays
	stopGreeting func() // stops what logCoolifyVersion started
}

// openServer opens the database, migrates it and connects the parts.
func (p *program) openServer(ctx context.Context, log *slog.Logger) (*server, error) {
	db, err := p.openStore(ctx, func(slug string) { log.WarnContext(ctx, replaced, "workspace", slug) })
	if err != nil {
		return nil, err
	}
	guard, provisioner, err := p.cfg.guard(db, log)
	if err != nil {
		closeStore(db)
		return nil, err
	}
	return &server{
		db: db, guard: guard, provisioner: provisioner, registry: mcp.New(log), placement: p.cfg.placement,
		provider: p.cfg.provider(), log: log, stopGreeting: func() {}, auditDays: p.cfg.auditDays,
	}, nil
}

// guard returns the Guard, which opens workspaces, and the Provisioner, which creates
// their parts. Both share one request budget, of which a part is reserved for the
// Provisioner.
func (c config) guard(db *store.DB, log *slog.Logger) (*tenancy.Guard, *provision.Provisioner, error) {
	cfg, err := c.tenancy(log)
	if err != nil {
		return nil, nil, err
	}
	cfg.Store = db
	guard, err := tenancy.NewGuard(cfg)
	if err != nil {
		return nil, nil, err
	}
	return guard, provision.New(cfg, db, db, guard.Reserve()), nil
}

// tenancy returns the configuration of a Guard, without the store.
func (c config) tenancy(log *slog.Logger) (tenancy.Config, error) {
	var none tenancy.Config
	box, err := secret.NewBox(c.secretsKey, c.oldSecretsKeys...)
	if err != nil {
		return none, err
	}
	ordinary, err := coolify.New(
		coolify.Config{URL: c.coolifyURL, Token: c.coolifyToken, UserAgent: "vibn-mcp/" + version()},
	)
	if err != nil {
		return none, err
	}
	cfg := tenancy.Config{
		Coolify: ordinary, Box: box, Log: log, Premises: c.premises(), PlatformHosts: c.allowedHosts, Plan: c.plan,
		Budget: c.budget,
		Probe:  probe.New(c.probe),
		Known: append([]secret.Text{
			c.coolifyToken, c.sensitiveToken, c.giteaToken, c.adminToken, c.oidcSecret, c.secretsKey, c.databaseURL,
			c.apiKey,
		}, c.oldSecretsKeys...),
		Admin: c.adminToken, PublicURL: c.reachedAt(),
	}
	if c.giteaURL != nil {
		if cfg.Gitea, err = gitea.New(
			gitea.Config{URL: c.giteaURL, Token: c.giteaToken, UserAgent: "vibn-mcp/" + version()},
		); err != nil {
			return none, err
		}
		cfg.GiteaURL = cmp.Or(c.giteaPublicURL, c.giteaURL).String()
	}
	if !c.sensitiveToken.IsZero() {
		if cfg.Sensitive, err = coolify.NewSensitive(
			coolify.Config{URL: c.coolifyURL, Token: c.sensitiveToken, UserAgent: "vibn-mcp/" + version()},
		); err != nil {
			return none, err
		}
	}
	return cfg, nil
}

// premises returns the configured facts about the platform.
func (c config) premises() tenancy.Premises {
	p := tenancy.Premises{
		AppDomain: c.appDomain, Placement: c.placement, AcceptedRisks: c.acceptedRisks,
		SharedNetworks: c.sharedNetworks, NetworkImage: c.networkImage, Issues: c.giteaIssues,
	}
	for _, own := range []tenancy.OwnURL{
		{Variable: "VIBN_PUBLIC_URL", URL: c.publicURL},
		{Variable: "COOLIFY_URL", URL: c.coolifyURL},
		{Variable: "GITEA_PUBLIC_URL", URL: c.giteaPublicURL},
		{Variable: "GITEA_API_URL", URL: c.giteaURL},
	} {
		if own.URL != nil {
			p.OwnURLs = append(p.OwnURLs, own)
		}
	}
	return p
}

// logCoolifyVersion logs in the background whether Coolify can be reached. No caller
// waits for it: the server serves in any case, and Coolify may start later.
func (s *server) logCoolifyVersion(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	var greeting sync.WaitGroup
	greeting.Go(func() {
		v, err := s.provisioner.CoolifyVersion(ctx)
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
		case err != nil:
			s.log.WarnContext(ctx, "coolify cannot be used", "err", err)
		default:
			s.log.InfoContext(ctx, "coolify answers", "coolify_version", v)
		}
	})
	s.stopGreeting = func() {
		cancel()
		greeting.Wait()
	}
}

func (s *server) close() {
	s.stopGreeting()
	closeStore(s.db)
}

func closeStore(db *store.DB) { _ = db.Close() } // the process ends next

// openStore opens the database and brings it up to date. It calls tell for each workspace
// that the operator has to know of; see [store.DB.Migrate].
func (p *program) openStore(ctx context.Context, tell func(slug string)) (*store.DB, error) {
	db, err := store.Open(ctx, store.Config{URL: p.cfg.databaseURL, Dir: p.cfg.dataDir})
	if err != nil {
		return nil, databaseError(err)
	}
	_, rotated, err := db.Migrate(ctx)
	if err != nil {
		closeStore(db)
		return nil, err
	}
	for _, slug := range rotated {
		tell(untrusted.Clean(slug))
	}
	return db, nil
}

func databaseError(err error) error {
	if errors.Is(err, store.ErrLocked) {
		return hinted{
			err, "is \"vibn-mcp serve\" running? DATABASE_URL names a PostgreSQL, which serves several processes",
		}
	}
	return hinted{err, "check DATABASE_URL, or VIBN_DATA_DIR for SQLite"}
}

// stopTime is how long requests in flight may take after a stop signal.
const stopTime = 25 * time.Second

const defaultAuditDays = 400

// jobs returns the background jobs of a server.
func (s *server) jobs() store.Jobs {
	p, pusher := s.provisioner, push.New(s.guard)
	pusher.Deliveries = &s.deliveries
	return store.Jobs{
		Provision: func(ctx context.Context, workspaceID string) error {
			err := p.Provision(ctx, workspaceID)
			if errors.Is(err, provision.ErrBusy) {
				return nil // the current run handles the request; a sweep finds what it leaves
			}
			return err
		},
		Tokens:      p.EndTokens,
		SweepTokens: func(ctx context.Context) error { return p.SweepTokens(ctx, s.db.QueueTokens) },
		Push:        pusher.Push,
		Sweep: func(ctx context.Context) error {
			now := time.Now()
			return errors.Join(
				p.Sweep(ctx, s.db.Queue), s.db.DropExpired(ctx, now), s.db.DropAudit(ctx, now.AddDate(0, 0, -cmp.Or(s.auditDays, defaultAuditDays))),
				pusher.Sweep(ctx),
			)
		},
	}
}

// serve serves HTTP and runs jobs until ctx is done, then waits for requests in flight to
// end.
func (s *server) serve(ctx context.Context, ln net.Listener, public *url.URL, hosts []string) error {
	srv := &http.Server{
		Handler: sidecar.Handler(sidecar.Config{ //nolint:contextcheck // each request brings its own
			Guard: s.guard, Registry: s.registry, PublicURL: public, AllowedHosts: hosts, Ready: s.ready,
			Version: version(), Log: s.log,
			Deliveries: &s.deliveries,
			Placement:  s.placement, Migrate: s.db.Migrate, Sessions: s.db.Sessions(), Provider: s.provider,
		}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, // longer than any call
		IdleTimeout:  2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	failed, worked := make(chan error, 2), make(chan error, 1)
	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	go func() { failed <- srv.Serve(ln) }()
	go func() {
		err := s.db.Work(working, s.jobs(), s.log)
		if err != nil && working.Err() == nil {
			failed <- err
		}
		worked <- err
	}()
	select {
	case err := <-failed:
		_ = srv.Close()
		return err
	case <-ctx.Done():
	}
	s.log.InfoContext(ctx, "stopping")
	s.guard.Stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if err := <-worked; err != nil {
		s.log.WarnContext(ctx, "jobs were interrupted; they are run again", "err", err)
	}
	return nil
}

// ready returns an error if the server cannot serve: its database does not answer or is
// behind.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	behind, err := s.db.Behind(ctx)
	if err != nil {
		return err
	}
	if behind {
		return errors.New("the database is behind: run vibn-mcp migrate")
	}
	return nil
}
