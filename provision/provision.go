package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Provisioner creates, repairs and deletes what workspaces have on Coolify and Gitea.
// It acts for the platform, on the operator's part of the budget.
//
// It does not execute orders: it reads what a workspace's row says and brings the parts
// to that state. So after a crash, or after another process has worked on the workspace,
// the next run continues from there. Each step searches before it creates, and records an
// id before the next step begins.
type Provisioner struct {
	store     Store
	tokens    TokenStore
	coolify   *coolify.Client // on the reserve
	gitea     *gitea.Admin    // nil = this platform has no Gitea
	publicURL *url.URL        // of this server; nil = workspaces have no webhooks
	box       *secret.Box
	log       *slog.Logger
	shown     *untrusted.Scrubber
	now       func() time.Time
	pollEvery time.Duration // between looks at what Coolify takes its time for
	dangers   *dangers
}

// New returns a Provisioner. db and tokens are parts of one database. reserve is the
// operator's part of the budget, on which it acts; see [tenancy.Guard.Reserve].
func New(cfg tenancy.Config, db Store, tokens TokenStore, reserve coolify.Meter) *Provisioner {
	p := &Provisioner{
		store: db, tokens: tokens, coolify: cfg.Coolify.Metered(reserve), publicURL: cfg.PublicURL, box: cfg.Box, log: cfg.Log,
		shown: tenancy.NewScrubber(cfg.Known), now: cfg.Now, pollEvery: cmp.Or(cfg.PollEvery, defaultPollEvery),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if cfg.Gitea != nil {
		p.gitea = cfg.Gitea.Metered(gitea.Unmetered)
	}
	p.dangers = newDangers(newDoctor(cfg, db, p.shown, reserve))
	return p
}

// CoolifyVersion asks Coolify for its version, on the operator's part of the budget. The
// error is a [*PartError], which distinguishes a Coolify that does not answer from a
// token that it does not accept.
func (p *Provisioner) CoolifyVersion(ctx context.Context) (string, error) {
	v, err := p.coolify.Version(ctx)
	if err != nil {
		return "", newPartError(tenancy.PartHost, "tell its version", err)
	}
	return untrusted.Clean(v), nil
}

const (
	// holdTime is how long a run may be silent before another run takes over. It is
	// longer than any step, and a run renews its hold before each step.
	holdTime = 2 * time.Minute
	// begunLong is the age at which a token that was begun and never filled counts as
	// lost.
	begunLong = 10 * time.Minute
	// reconcileEvery is how often a workspace's parts are checked without a request.
	reconcileEvery   = time.Hour
	defaultPollEvery = 3 * time.Second
	// dueAtOnce bounds how many workspaces one sweep finds.
	dueAtOnce = 200
)

// ErrBusy is the error of [Provisioner.Provision] while another run works on the
// workspace. That run handles all requests before it ends.
var ErrBusy = errors.New("another run works on this workspace")

// A PartsError says that a run left parts in a wrong state. Its text names the parts
// only.
type PartsError struct{ Errors tenancy.PartErrors }

// Error names the parts.
func (e *PartsError) Error() string { return "not in order: " + e.Errors.Names() }

// Provision brings a workspace's parts to the state that its row says: existing,
// suspended, or gone. Several processes may call it at any time. The error is [ErrBusy],
// a [*PartsError], or one of the database.
func (p *Provisioner) Provision(ctx context.Context, workspaceID string) error {
	for {
		more, err := p.once(ctx, workspaceID)
		if err != nil || !more {
			return err
		}
	}
}

// Settle calls [Provisioner.Provision] for as long as it ends with nothing but parts that
// Coolify takes its time for: a deletion, the start of a service. It gives up where the
// operator has something to do, where a server is at fault, and when ctx ends. The error
// is that of the last call.
func (p *Provisioner) Settle(ctx context.Context, workspaceID string) error {
	for {
		err := p.Provision(ctx, workspaceID)
		e, ok := errors.AsType[*PartsError](err)
		if !ok || !TriedAgain(e.Errors) {
			return err
		}
		if p.pause(ctx) != nil {
			return err
		}
	}
}

// TriedAgain reports whether there are errors, and all of them are such as end with time: no
// server is at fault, and the operator has nothing to do.
func TriedAgain(l tenancy.PartErrors) bool {
	return len(l) > 0 && !slices.ContainsFunc(l, func(e tenancy.PartError) bool { return !e.Again || e.Platform })
}

func (p *Provisioner) once(ctx context.Context, workspaceID string) (more bool, err error) {
	r := &run{Provisioner: p, holder: tenancy.RandomHex()}
	if err := p.store.Lease(
		ctx, workspaceID, r.holder, p.now(), p.now().Add(holdTime),
	); errors.Is(err, tenancy.ErrConflict) {
		return false, ErrBusy
	} else if err != nil {
		return false, err
	}
	defer r.release(ctx, workspaceID)
	if r.state, err = p.store.Provision(ctx, workspaceID); err != nil {
		return false, err
	}
	if r.state.Nonce, err = p.store.KeepNonce(
		ctx, workspaceID, cmp.Or(r.state.Nonce, tenancy.RandomHex()),
	); err != nil {
		return false, err
	}
	if err := r.ensureAll(ctx); err != nil {
		return false, err
	}
	more, err = p.store.FinishProvision(ctx, workspaceID, r.state.Wanted, r.outcome(), p.now())
	if err == nil && !more && len(r.wrong) > 0 {
		err = &PartsError{r.wrong}
	}
	return more, err
}

// Sweep calls queue for each workspace that has work due, or a fork that is to go, or
// whose network is not kept any more.
func (p *Provisioner) Sweep(ctx context.Context, queue func(context.Context, string) error) error {
	now := p.now()
	ids, err := p.store.Due(ctx, now, now.Add(-reconcileEvery), dueAtOnce)
	if err != nil {
		return err
	}
	for _, id := range ids { // what is due waits for no server
		if err := queue(ctx, id); err != nil {
			return err
		}
	}
	lost, err := p.queueLost(ctx, ids, queue)
	if err != nil {
		return err
	}
	return p.queueForked(ctx, append(ids, lost...), queue)
}

// A run is one pass over one workspace.
type run struct {
	*Provisioner
	holder     string
	state      tenancy.Provision
	wrong      tenancy.PartErrors
	reconciled bool
	envs       []coolify.Environment // see environments
	addresses  map[string]string     // clone address for Coolify, by project; of repositories that were seen
}

func (r *run) release(ctx context.Context, workspaceID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.store.Release(ctx, workspaceID, r.holder); err != nil {
		r.log.WarnContext(ctx, "workspace lease not released; the next run "+
			"waits", "workspace", r.state.Slug, "err", err)
	}
}

// ensureAll handles every part. It returns only errors of the database: then nothing more can
// be recorded, so nothing more is made.
func (r *run) ensureAll(ctx context.Context) error {
	if r.state.DeletedAt != nil {
		return r.removeAll(ctx)
	}
	for _, s := range []step{
		{tenancy.PartApps, "delete the apps that are to go", r.endApps},
		{tenancy.PartDatabases, "delete the databases that are to go", r.endDatabases},
	} {
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	if r.state.SuspendedAt != nil {
		return r.suspend(ctx)
	}
	if err := r.refuseDangers(ctx); err != nil {
		if err := r.note(ctx, err); err != nil || r.gitea == nil {
			return err
		}
		return r.ensureGiteaParts(ctx, false)
	}
	for _, s := range []step{
		{tenancy.PartProject, "make the project", r.ensureProject},
		{tenancy.PartNetwork, "make the network", r.ensureNetwork},
	} {
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	if r.gitea == nil {
		return nil
	}
	return r.ensureGiteaParts(ctx, true)
}

// ensureGiteaParts runs the steps in the order of their dependencies. The bot joins its team
// last, when none of its own tokens is alive that should not be. A deletion does not wait
// for a part that cannot be made: a key's token ends with the key, regardless of other
// errors.
func (r *run) ensureGiteaParts(ctx context.Context, mayMake bool) error {
	for _, s := range []struct {
		step
		of []string // the step only deletes, and needs these parts
	}{
		{step{tenancy.PartOrg, "rename the organisation", r.renameOrg}, nil},
		{step{tenancy.PartBot, "rename the bot", r.renameBot}, nil},
		{step{tenancy.PartOrg, "make the organisation", r.ensureOrg}, nil},
		{step{tenancy.PartBot, "make the bot", r.ensureBot}, nil},
		{step{tenancy.PartToken, "make the bot's token", r.ensureToken}, nil},
		{step{tenancy.PartToken, "end the bot's other tokens", r.endTokens}, []string{tenancy.PartBot}},
		{step{tenancy.PartTeam, "make the team", r.ensureTeam}, nil},
		{step{tenancy.PartPeople, "put the people into the team", r.syncPeople}, nil},
		{step{tenancy.PartHook, "make the webhook", r.ensureHook}, nil},
		{step{tenancy.PartHook, "delete other webhooks", r.otherHooks}, []string{tenancy.PartOrg}},
		{step{tenancy.PartRepositories, "check the repositories", r.wantPushes}, nil},
		{
			step{tenancy.PartRepositories, "reconcile the repositories", r.reconcile},
			[]string{tenancy.PartOrg, tenancy.PartBot},
		},
		{step{tenancy.PartApps, "give the apps their repositories' addresses", r.moveApps}, []string{tenancy.PartOrg}},
		{step{tenancy.PartRepositories, "make the repositories that are missing", r.ensureMissing}, nil},
	} {
		if !mayMake && (s.of == nil || slices.ContainsFunc(s.of, r.isWrong)) {
			continue
		}
		before := len(r.wrong)
		if err := r.do(ctx, s.step); err != nil {
			return err
		}
		if len(r.wrong) == before || s.part == tenancy.PartPeople || s.part == tenancy.PartHook {
			continue // no later step needs it
		}
		if r.wrong[before].Again {
			return nil // Gitea does not answer, or does not show yet what has just been made
		}
		mayMake = false
	}
	return nil
}

// isWrong reports whether a part is in a wrong state.
func (r *run) isWrong(part string) bool {
	return slices.ContainsFunc(r.wrong, func(e tenancy.PartError) bool { return e.Part == part })
}

// A step handles one part.
type step struct {
	part  string
	doing string // for the operator: "make the bot"
	do    func(context.Context) error
}

// do renews the hold on the workspace and runs one step.
func (r *run) do(ctx context.Context, s step) error {
	if err := r.renewLease(ctx); err != nil {
		return err
	}
	err := s.do(ctx)
	if err == nil {
		return nil
	}
	if tenancy.IsStoreError(err) || ctx.Err() != nil {
		return err
	}
	return r.note(ctx, newPartError(s.part, s.doing, err))
}

// renewLease renews this run's hold. It fails if another run has taken over.
func (r *run) renewLease(ctx context.Context) error {
	return tenancy.StoreError(
		"read or write the record", r.store.Lease(ctx, r.state.ID, r.holder, r.now(), r.now().Add(holdTime)),
	)
}

// note adds an error to the run's list and logs its cause.
func (r *run) note(ctx context.Context, err error) error {
	e, ok := errors.AsType[*tenancy.PartError](err)
	if !ok {
		return err
	}
	cause := "none"
	if e.Err != nil {
		cause = tenancy.ForLog(r.shown, e.Err)
	}
	r.log.WarnContext(
		ctx, "part of a workspace is not in order", "workspace", r.state.Slug, "part", e.Part, "why", e.Why,
		"err", cause,
	)
	r.wrong = append(r.wrong, *e)
	return nil
}

// record replaces the recorded parts. If the record differs from what this run last wrote
// or read, another run has taken over, and this one ends.
func (r *run) record(ctx context.Context, change func(*tenancy.Parts)) error {
	next := r.state.Parts
	change(&next)
	if err := r.store.SetParts(ctx, r.state.ID, r.state.Parts, next); err != nil {
		return tenancy.StoreError("read or write the record", fmt.Errorf("record the parts: %w", err))
	}
	r.state.Parts = next
	return nil
}

// outcome returns the state of the parts.
func (r *run) outcome() tenancy.Outcome {
	o := tenancy.Outcome{
		Status: tenancy.Ready, Error: r.wrong.String(), Reconciled: r.reconciled,
		Renamed: r.state.Renaming && r.reconciled && len(r.wrong) == 0,
	}
	has := r.state.Parts.CoolifyProject != "" || r.state.OrgID != 0
	switch {
	case len(r.wrong) > 0 && has:
		o.Status = tenancy.Partial
	case len(r.wrong) > 0:
		o.Status = tenancy.Failed
	case r.state.DeletedAt != nil:
		o.Status = tenancy.Pending // nothing is left
	}
	return o
}

// ensureProject makes the project on Coolify exist. Names are not unique there, and two
// requests make two projects, so projects of this workspace are recognised by their mark.
func (r *run) ensureProject(ctx context.Context) error {
	_, _, err := once.Thing[coolify.Project]{
		Find: r.findProjects,
		Create: func(ctx context.Context) error {
			_, err := r.coolify.CreateProject(ctx, coolify.NewProject{
				Name:        tenancy.ProjectName(r.state.Slug),
				Description: "Workspace " + r.state.Slug + " " + tenancy.MarkText(r.state.Nonce, "project"),
			})
			return err
		},
		Recorded: r.isRecorded,
		Record: func(ctx context.Context, p coolify.Project) error {
			return r.record(ctx, func(parts *tenancy.Parts) { parts.CoolifyProject = p.UUID.String() })
		},
		Drop: r.dropProject,
	}.Ensure(ctx)
	return err
}

// findProjects returns the recorded project and those with the workspace's mark, the
// oldest first. A recorded project that is gone is an error and is not made again, as the
// operator may have provided it.
func (r *run) findProjects(ctx context.Context) ([]coolify.Project, error) {
	list, err := r.coolify.Projects(ctx)
	if err != nil {
		return nil, err
	}
	ours := slices.DeleteFunc(list, func(p coolify.Project) bool {
		return !r.isRecorded(p) && !r.bearsMark(p)
	})
	if r.state.Parts.CoolifyProject != "" && !slices.ContainsFunc(ours, r.isRecorded) {
		return nil, &tenancy.PartError{
			Part: tenancy.PartProject, Why: "the workspace's Coolify project is gone, or is another team's",
			Fix: "restore it, or delete the workspace; a project that an operator supplied is not created again",
		}
	}
	slices.SortFunc(ours, func(a, b coolify.Project) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.UUID.String(), b.UUID.String()))
	})
	return ours, nil
}

func (r *run) isRecorded(p coolify.Project) bool {
	return p.UUID.String() == r.state.Parts.CoolifyProject
}

func (r *run) bearsMark(p coolify.Project) bool {
	return tenancy.HasMark(p.Description, tenancy.MarkText(r.state.Nonce, "project"))
}

// dropProject deletes a project that has the workspace's mark and is not the recorded
// one: a create whose answer was lost made it. Coolify refuses if it is not empty.
func (r *run) dropProject(ctx context.Context, twin coolify.Project) error {
	err := r.coolify.Project(twin.UUID).Delete(ctx)
	if errors.Is(err, coolify.ErrInvalid) {
		return &tenancy.PartError{
			Part: tenancy.PartProject,
			Why: fmt.Sprintf("the Coolify projects %s and %s both bear the workspace's mark, and the second holds "+
				"something",
				r.state.Parts.CoolifyProject, twin.UUID),
			Fix: "move what is in the second into the first, or delete it; then provision it again",
		}
	}
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		return err
	}
	return nil
}
