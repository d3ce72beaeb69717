package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// An Operator runs the platform: it creates workspaces and keys. It needs the store only,
// so it works while Coolify is down. Code that holds one must have proof that the caller
// is the operator: the operator's token, or running the program on the server.
//
// Each method that changes something of a workspace writes an entry of principal
// "operator" to its audit trail before and after. If the first write fails, the method
// returns [tenancy.Unavailable] and changes nothing.
type Operator struct {
	store OperatorStore
	now   func() time.Time
}

// OpenOperator returns the operator if this is its token. For every other token, and if
// no token is configured, it returns the same [tenancy.Unauthorized].
func OpenOperator(g *tenancy.Guard, token string) (*Operator, error) {
	if !outside(g).IsOperator(token) {
		return nil, &tenancy.Error{
			Code: tenancy.Unauthorized, Msg: "this is not the operator's token",
			Hint: "send VIBN_ADMIN_TOKEN as \"Authorization: Bearer …\"",
		}
	}
	return NewOperator(tenancy.RecordsOf[OperatorStore](outside(g))), nil
}

// NewOperator returns an Operator on the store.
func NewOperator(s OperatorStore) *Operator { return &Operator{s, time.Now} }

// DefaultKeyLife is the lifetime of a key if the caller gives none.
const DefaultKeyLife = 90 * 24 * time.Hour

// NewWorkspace describes a workspace to be created.
type NewWorkspace struct {
	Slug           string
	Name           string // empty = the slug
	OwnerUserID    string // may be empty
	OwnerGiteaID   int64  // the owner's account on Gitea; 0 = unknown
	CoolifyProject string // uuid; may be empty, then the workspace reaches nothing yet
	Placement      tenancy.Placement
}

// CreateWorkspace stores a new workspace. It returns [tenancy.Conflict] for a slug that
// was ever used.
//
// An audit entry belongs to a workspace, so the first one cannot be written before the
// workspace exists: the transaction that stores the workspace and queues the job for its
// parts also starts the entry. So no key and no job ever sees a workspace without its
// entry, and a crash leaves both or neither. After a crash that left both, a second call
// returns [tenancy.Conflict], and the entry stays "started".
func (o *Operator) CreateWorkspace(ctx context.Context, n NewWorkspace) (tenancy.Workspace, error) {
	w, err := n.workspace(o.now())
	if err != nil {
		return tenancy.Workspace{}, err
	}
	started := creationEntry(w, tenancy.OperatorPrincipal)
	if err := o.store.CreateWorkspaceAudited(ctx, w, n.OwnerGiteaID, started); err != nil {
		return tenancy.Workspace{}, creationError(n.Slug, err)
	}
	return w, tenancy.FinishEntry(ctx, o.store, o.now, started, nil)
}

// workspace validates what an operator typed, and returns the workspace to store.
func (n NewWorkspace) workspace(at time.Time) (tenancy.Workspace, error) {
	if err := tenancy.CheckSlug(n.Slug); err != nil {
		return tenancy.Workspace{}, invalid(err)
	}
	place, err := complete(n.Placement)
	if err != nil {
		return tenancy.Workspace{}, err
	}
	if !storable(n.Name) || !storable(n.OwnerUserID) {
		return tenancy.Workspace{}, invalid(errors.New("the name or the owner is not valid UTF-8, or holds a NUL"))
	}
	if _, err := coolify.ParseUUID(n.CoolifyProject); n.CoolifyProject != "" && err != nil {
		return tenancy.Workspace{}, invalid(fmt.Errorf("the Coolify project's uuid: %w", err))
	}
	return tenancy.Workspace{
		ID: uuid.Must(uuid.NewV7()).String(), Slug: n.Slug, Name: cmp.Or(n.Name, n.Slug), OwnerUserID: n.OwnerUserID,
		CoolifyProject: n.CoolifyProject, Placement: place, Status: tenancy.Pending, CreatedAt: at, UpdatedAt: at,
	}, nil
}

// creationEntry returns the first audit entry of a workspace.
func creationEntry(w tenancy.Workspace, principal string) tenancy.AuditEntry {
	e := tenancy.AuditEntry{WorkspaceID: w.ID, Principal: principal, Tool: "workspace.create", Target: w.Slug}
	return tenancy.StartedEntry(e, w.CreatedAt)
}

// creationError turns a failure of the store to create a workspace into the error that an
// operator reads.
func creationError(slug string, err error) error {
	if errors.Is(err, tenancy.ErrConflict) {
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: fmt.Sprintf("the slug %q is or was in use", slug),
			Hint: "choose another; a slug is never used again",
		}
	}
	if errors.Is(err, tenancy.ErrProjectTaken) {
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "another workspace has this Coolify project",
			Hint: "create a separate project in Coolify: workspaces that share one would see each other's apps",
		}
	}
	return tenancy.StoreError("create the workspace", err)
}

// EnsureWorkspace returns the workspace that a person owns, or creates it; created says
// which. The slug is made from the e-mail's local part, or the name: it is a proposal for
// people, and proves nothing. A job makes the workspace's parts.
//
// Only a creation gets an audit entry, in the workspace's transaction as with
// CreateWorkspace; after a crash a second call returns the workspace. The call stores the
// person's details, as each sign-in does.
func (o *Operator) EnsureWorkspace(
	ctx context.Context, p tenancy.Person, place tenancy.Placement,
) (w tenancy.Workspace, created bool, err error) {
	return ensureWorkspace(ctx, o.store, o.now, tenancy.OperatorPrincipal, p, place)
}

func ensureWorkspace(
	ctx context.Context, store creationStore, now func() time.Time, principal string, p tenancy.Person,
	place tenancy.Placement,
) (w tenancy.Workspace, created bool, err error) {
	if p.UserID == "" || len(p.UserID) > 255 || !storable(p.UserID) || p.GiteaUserID < 0 {
		return tenancy.Workspace{}, false, invalid(errors.New(
			"a person needs the platform's id of at most 255 bytes, and a Gitea id that is not negative",
		))
	}
	p.Email, p.DisplayName = tenancy.ShortText(p.Email), tenancy.ShortText(p.DisplayName)
	place, err = complete(place)
	if err != nil {
		return tenancy.Workspace{}, false, err
	}
	slugs, at := slugsFor(p), now()
	w = tenancy.Workspace{
		ID: uuid.Must(uuid.NewV7()).String(), Name: cmp.Or(p.DisplayName, slugs[0]), OwnerUserID: p.UserID,
		Placement: place,
		Status:    tenancy.Pending, CreatedAt: at, UpdatedAt: at,
	}
	started := creationEntry(w, principal)
	w, created, err = store.EnsureWorkspaceAudited(ctx, p, w, slugs, started)
	if err != nil {
		return tenancy.Workspace{}, false, tenancy.StoreError("create the workspace", err)
	}
	if !created {
		return w, false, nil
	}
	return w, true, tenancy.FinishEntry(ctx, store, now, started, nil)
}

// slugsFor proposes slugs: one that people recognise, the same with a number, and last
// some with random digits.
func slugsFor(p tenancy.Person) []string {
	local, _, _ := strings.Cut(p.Email, "@")
	base := ""
	for _, s := range []string{local, p.DisplayName, "workspace"} {
		if base = slugOf(s); tenancy.CheckSlug(base) == nil {
			break
		}
	}
	slugs := []string{base}
	for n := 2; n < 10; n++ {
		slugs = append(slugs, fmt.Sprintf("%.*s-%d", tenancy.MaxSlug-2, base, n))
	}
	for range 8 {
		slugs = append(slugs, fmt.Sprintf("%.*s-%s", tenancy.MaxSlug-9, base, tenancy.RandomHex()[:8]))
	}
	return slices.DeleteFunc(slugs, func(s string) bool { return tenancy.CheckSlug(s) != nil })
}

// slugOf makes a slug of a text: runs of other characters than letters and digits become
// a hyphen.
func slugOf(s string) string {
	parts := strings.FieldsFunc(
		strings.ToLower(s), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') },
	)
	slug := strings.TrimLeft(strings.Join(parts, "-"), "0123456789-")
	return strings.TrimRight(slug[:min(len(slug), tenancy.MaxSlug)], "-")
}

// Provision requests a run of a job that makes or repairs a workspace's parts.
func (o *Operator) Provision(ctx context.Context, w tenancy.Workspace) error {
	entry := tenancy.AuditEntry{Tool: "workspace.provision"}
	return o.audited(ctx, w, entry, func() error { return o.store.RequestProvision(ctx, w.ID) })
}

// Suspend refuses every key and member of a workspace from their next request on, and
// queues a job that blocks its bot in Gitea.
func (o *Operator) Suspend(ctx context.Context, w tenancy.Workspace) error {
	return o.audited(ctx, w, tenancy.AuditEntry{Tool: "workspace.suspend"}, func() error {
		now := o.now()
		return o.store.SetSuspended(ctx, w.ID, &now, now)
	})
}

// Resume lifts a suspension.
func (o *Operator) Resume(ctx context.Context, w tenancy.Workspace) error {
	entry := tenancy.AuditEntry{Tool: "workspace.resume"}
	return o.audited(ctx, w, entry, func() error { return o.store.SetSuspended(ctx, w.ID, nil, o.now()) })
}

// Rotate drops every token of the workspace's bot and the secret of its webhook. A job
// makes new ones for the workspace and ends all other tokens; a key gets a new token at
// its next use.
func (o *Operator) Rotate(ctx context.Context, w tenancy.Workspace) error {
	entry := tenancy.AuditEntry{Tool: "workspace.rotate"}
	return o.audited(ctx, w, entry, func() error { return o.store.ForgetTokens(ctx, w.ID, o.now()) })
}

// audited wraps each action of the operator on an existing workspace: it writes the
// action to the workspace's audit trail before and after. Tool names the action; an empty
// Target becomes the workspace's slug.
func (o *Operator) audited(ctx context.Context, w tenancy.Workspace, e tenancy.AuditEntry, act func() error) error {
	e.WorkspaceID, e.Principal, e.Target = w.ID, tenancy.OperatorPrincipal, cmp.Or(e.Target, w.Slug)
	return tenancy.OnRecord(ctx, o.store, o.now, e, func() error { return actError(e.Tool, w.Slug, act()) })
}

// actError turns the failure of an action into the error that an operator reads; nil for
// nil.
func actError(tool, slug string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*tenancy.Error](err); ok {
		return e
	}
	if errors.Is(err, tenancy.ErrNotFound) {
		return &tenancy.Error{Code: tenancy.NotFound, Msg: fmt.Sprintf("no workspace %q", slug), Hint: "it was deleted"}
	}
	return tenancy.StoreError(tool, err)
}

// AnyWorkspace returns the workspace that has or had this slug, deleted or not.
func (o *Operator) AnyWorkspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	w, err := o.store.AnyWorkspace(ctx, slug)
	return w, lookUpError(slug, err)
}

// Parts returns the record of a workspace's parts.
func (o *Operator) Parts(ctx context.Context, w tenancy.Workspace) (tenancy.Provision, error) {
	p, err := o.store.Provision(ctx, w.ID)
	if err != nil {
		return p, tenancy.StoreError("read the workspace's parts", err)
	}
	return p, nil
}

// Settled polls, once per interval every, until all requests for a workspace are done or
// have failed, and nothing is left that is tried again automatically, or ctx ends. It returns the record of the last poll.
func (o *Operator) Settled(ctx context.Context, w tenancy.Workspace, every time.Duration) (tenancy.Provision, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		p, err := o.Parts(context.WithoutCancel(ctx), w) // a poll that has begun completes
		if err != nil || p.Done >= p.Wanted && !provision.TriedAgain(tenancy.ParsePartErrors(p.ProvisionError)) {
			return p, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return p, nil
		}
	}
}

// ResealSecrets seals every secret of the database with the box's current key. It returns
// how many values it resealed, and in shut how many do not open; those it leaves
// unchanged. It may run while the server does.
func (o *Operator) ResealSecrets(ctx context.Context, box *secret.Box) (resealed, shut int, err error) {
	values, err := o.store.SealedValues(ctx)
	if err != nil {
		return 0, 0, tenancy.StoreError("list the sealed values", err)
	}
	for _, v := range values {
		if !box.NeedsReseal(v.Value) {
			continue
		}
		plain, err := box.Open(v.Value, v.Place)
		if err != nil {
			shut++
			continue
		}
		sealed, err := box.Seal(plain, v.Place)
		if err != nil {
			return resealed, shut, err
		}
		switch err := o.store.Reseal(ctx, v, sealed); {
		case errors.Is(err, tenancy.ErrNotFound): // it was replaced meanwhile, with the current key
		case err != nil:
			return resealed, shut, tenancy.StoreError("reseal", err)
		default:
			resealed++
		}
	}
	return resealed, shut, nil
}

// Workspaces lists the workspaces that are not deleted, by slug.
func (o *Operator) Workspaces(ctx context.Context) ([]tenancy.Workspace, error) {
	list, err := o.store.Workspaces(ctx)
	if err != nil {
		return nil, tenancy.StoreError("list the workspaces", err)
	}
	return list, nil
}

// Workspace returns the workspace with this slug that is not deleted.
func (o *Operator) Workspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	w, err := o.store.Workspace(ctx, slug)
	return w, lookUpError(slug, err)
}

// lookUpError turns a failed lookup of a slug into the error that an operator reads; nil
// for nil.
func lookUpError(slug string, err error) error {
	if errors.Is(err, tenancy.ErrNotFound) {
		return &tenancy.Error{
			Code: tenancy.NotFound, Msg: fmt.Sprintf("no workspace %q", slug),
			Hint: "\"vibn-mcp workspace list\" shows them",
		}
	}
	if err != nil {
		return tenancy.StoreError("look up the workspace", err)
	}
	return nil
}

// Members lists the members of a workspace.
func (o *Operator) Members(ctx context.Context, w tenancy.Workspace) ([]tenancy.Member, error) {
	list, err := o.store.Members(ctx, w.ID)
	if err != nil {
		return nil, tenancy.StoreError("list the members", err)
	}
	return list, nil
}

// Place changes where a workspace's apps run and what its host may run.
func (o *Operator) Place(ctx context.Context, w tenancy.Workspace, p tenancy.Placement) error {
	p, err := complete(p)
	if err != nil {
		return err
	}
	// The workspace's members read the trail: it holds the trust, but not which server.
	entry := tenancy.AuditEntry{Tool: "workspace.place", Args: tenancy.AuditArgs(map[string]any{"trust": p.Trust})}
	return o.audited(ctx, w, entry, func() error {
		if err := o.store.SetPlacement(ctx, w.ID, p, o.now()); err != nil {
			return err
		}
		return o.store.RequestProvision(ctx, w.ID) // it may need a network on the new server
	})
}

// SetPlan changes what a workspace may use; zero fields are the platform's default.
// Existing apps keep their limits.
func (o *Operator) SetPlan(ctx context.Context, w tenancy.Workspace, p tenancy.Plan) error {
	if err := p.Check(); err != nil {
		return err
	}
	entry := tenancy.AuditEntry{Tool: "workspace.plan", Args: tenancy.AuditArgs(map[string]any{
		"memory": p.Memory, "cpus": p.CPUs, "apps": p.Apps, "databases": p.Databases,
	})}
	return o.audited(ctx, w, entry, func() error { return o.store.SetPlan(ctx, w.ID, p, o.now()) })
}

// Used returns how many of a workspace's apps and databases were created here.
func (o *Operator) Used(ctx context.Context, w tenancy.Workspace) (apps, databases int, err error) {
	apps, databases, err = provision.CountUsed(ctx, o.store, w.ID)
	if err != nil {
		return 0, 0, tenancy.StoreError("count what the workspace has", err)
	}
	return apps, databases, nil
}

// DeleteWorkspace ends a workspace and all its keys, and queues a job that deletes what
// vibn-mcp made for it: its repositories and bot, and its Coolify project if that is
// empty. Its slug is never reused. For a deleted workspace it queues the job again.
func (o *Operator) DeleteWorkspace(ctx context.Context, w tenancy.Workspace) error {
	return o.audited(ctx, w, tenancy.AuditEntry{Tool: "workspace.delete"}, func() error {
		if w.DeletedAt != nil {
			return o.store.RequestProvision(ctx, w.ID)
		}
		return o.store.DeleteWorkspace(ctx, w.ID, o.now())
	})
}

// CreateKey mints a key for a workspace. life 0 means that it never expires. CreateKey
// returns the key itself once; it is stored nowhere.
func (o *Operator) CreateKey(
	ctx context.Context, w tenancy.Workspace, name string, rights tenancy.Rights, life time.Duration,
) (tenancy.Key, secret.Text, error) {
	name = keyName(name)
	if name == "" || rights == 0 || life < 0 {
		return tenancy.Key{}, secret.Text{}, invalid(
			errors.New("a key needs a name of at most 100 bytes, a right, and a lifetime that is not negative"),
		)
	}
	k := tenancy.Key{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ID, Name: name, Rights: rights,
		CreatedBy: tenancy.OperatorPrincipal, CreatedAt: o.now(),
	}
	if life > 0 {
		k.ExpiresAt = new(k.CreatedAt.Add(life))
	}
	key, digest := tenancy.NewKey(&k)
	entry := tenancy.AuditEntry{
		Tool: "keys.create", Target: k.ID, Args: tenancy.AuditArgs(map[string]any{"rights": rights.String()}),
	}
	if err := o.audited(ctx, w, entry, func() error { return o.store.CreateKey(ctx, k, digest) }); err != nil {
		return tenancy.Key{}, secret.Text{}, err
	}
	return k, key, nil
}

// Keys lists a page of a workspace's keys, newest first.
func (o *Operator) Keys(ctx context.Context, w tenancy.Workspace, q KeyQuery) (KeyPage, error) {
	q.At = o.now()
	return keysOf(ctx, o.store, w.ID, q)
}

// maxKeyID is the length of a key's id, a UUID. A key is longer.
const maxKeyID = 36

// RevokeKey revokes a key of a workspace, and those minted with it.
func (o *Operator) RevokeKey(ctx context.Context, w tenancy.Workspace, keyID string) error {
	entry := tenancy.AuditEntry{Tool: "keys.revoke"}
	if len(keyID) <= maxKeyID { // a longer text may be the key itself
		entry.Target = tenancy.ShortText(keyID)
	}
	return o.audited(ctx, w, entry, func() error {
		err := o.store.RevokeKey(ctx, w.ID, keyID, o.now())
		if errors.Is(err, tenancy.ErrNotFound) {
			return &tenancy.Error{
				Code: tenancy.NotFound, Msg: "no such key in workspace " + w.Slug,
				Hint: "\"vibn-mcp key list " + w.Slug + "\" shows the keys and their ids",
			}
		}
		return err
	})
}

// complete fills in the trust of a placement that names none, and validates it.
func complete(p tenancy.Placement) (tenancy.Placement, error) {
	p.Trust = cmp.Or(p.Trust, tenancy.Shared)
	return p, check(p)
}

// check validates a placement that an operator typed.
func check(p tenancy.Placement) error {
	for what, id := range map[string]string{"server": p.Server, "destination": p.Destination} {
		if _, err := coolify.ParseUUID(id); id != "" && err != nil {
			return invalid(fmt.Errorf("the %s's uuid: %w", what, err))
		}
	}
	if p.Trust == tenancy.Dedicated && p.Server == "" {
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "a dedicated placement names the server that is the workspace's own",
			Hint: "give --coolify-server-uuid; apps on any other server are treated as on a shared one",
		}
	}
	return nil
}

// storable reports whether every supported database accepts a text: PostgreSQL accepts no
// NUL.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// invalid returns the error for invalid input of the operator.
func invalid(err error) *tenancy.Error {
	return &tenancy.Error{Code: tenancy.Invalid, Msg: err.Error()}
}
