package tenancytest

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// A Tap is a store with a hook around every method, so that a test can write
// down what a program asks of its database, and let it fail at any point. It
// embeds no Store: a method that a Store gets later has to be added here, or
// this does not compile.
type Tap struct {
	Store Store
	// Hook is called in the place of a method, by its name. do calls the method;
	// what Hook returns is what the caller is told.
	Hook func(method string, do func() error) error
}

var _ Store = Tap{}

// A Store is all that the kernel and the rooms need from the database.
type Store interface {
	tenancy.Store
	provision.Store
	provision.TokenStore
	repository.Store
	hosting.Store
	verdict.Store
	push.Store
	people.Store
	people.OperatorStore

	// What tests set up with.
	CreateWorkspace(ctx context.Context, w tenancy.Workspace, ownerGiteaID int64) error
	EnsureWorkspace(
		ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string,
	) (ws tenancy.Workspace, created bool, err error)
	SetMember(ctx context.Context, m tenancy.Member) error
	RemoveMember(ctx context.Context, workspaceID, userID string, at time.Time) error
}

// StoreReads are the methods of a store that change nothing.
var StoreReads = []string{
	"KeyByDigest", "Keys", "KeyNames", "Workspace", "Workspaces", "Membership", "MemberWorkspaces", "Members", "AnyWorkspace",
	"Provision", "Due",
	"BotTokens", "TokensDue", "EndedTokens", "Projects", "RepositoryAccess", "AppRecords", "AppVersions", "KeptLog", "KeptValues", "DatabaseRecords", "SealedValues", "Audit", "User",
	"UserByIdentity", "LoginLink", "LoginLinks",
}

// get calls a method that returns one thing.
func get[T any](s Tap, method string, do func() (T, error)) (v T, err error) {
	err = s.Hook(method, func() (err error) {
		v, err = do()
		return err
	})
	return v, err
}

// KeyByDigest implements [tenancy.Store], as all that follow.
func (s Tap) KeyByDigest(ctx context.Context, digest tenancy.Digest) (k tenancy.Key, w tenancy.Workspace, err error) {
	err = s.Hook("KeyByDigest", func() (err error) {
		k, w, err = s.Store.KeyByDigest(ctx, digest)
		return err
	})
	return k, w, err
}

// CreateKey is tapped.
func (s Tap) CreateKey(ctx context.Context, k tenancy.Key, digest tenancy.Digest) error {
	return s.Hook("CreateKey", func() error { return s.Store.CreateKey(ctx, k, digest) })
}

// RevokeKey is tapped.
func (s Tap) RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error {
	return s.Hook("RevokeKey", func() error { return s.Store.RevokeKey(ctx, workspaceID, keyID, at) })
}

// TouchKey is tapped.
func (s Tap) TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error {
	return s.Hook("TouchKey", func() error { return s.Store.TouchKey(ctx, workspaceID, keyID, at) })
}

// CreateWorkspace is tapped.
func (s Tap) CreateWorkspace(ctx context.Context, w tenancy.Workspace, ownerGiteaID int64) error {
	return s.Hook("CreateWorkspace", func() error { return s.Store.CreateWorkspace(ctx, w, ownerGiteaID) })
}

// Workspace is tapped.
func (s Tap) Workspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	return get(s, "Workspace", func() (tenancy.Workspace, error) { return s.Store.Workspace(ctx, slug) })
}

// Workspaces is tapped.
func (s Tap) Workspaces(ctx context.Context) ([]tenancy.Workspace, error) {
	return get(s, "Workspaces", func() ([]tenancy.Workspace, error) { return s.Store.Workspaces(ctx) })
}

// SetPlacement is tapped.
func (s Tap) SetPlacement(ctx context.Context, workspaceID string, p tenancy.Placement, at time.Time) error {
	return s.Hook("SetPlacement", func() error { return s.Store.SetPlacement(ctx, workspaceID, p, at) })
}

// DeleteWorkspace is tapped.
func (s Tap) DeleteWorkspace(ctx context.Context, workspaceID string, at time.Time) error {
	return s.Hook("DeleteWorkspace", func() error { return s.Store.DeleteWorkspace(ctx, workspaceID, at) })
}

// Membership is tapped.
func (s Tap) Membership(ctx context.Context, slug, userID string) (w tenancy.Workspace, role tenancy.Role, err error) {
	err = s.Hook("Membership", func() (err error) {
		w, role, err = s.Store.Membership(ctx, slug, userID)
		return err
	})
	return w, role, err
}

// MemberWorkspaces is tapped.
func (s Tap) MemberWorkspaces(ctx context.Context, userID string) ([]tenancy.Workspace, error) {
	return get(
		s, "MemberWorkspaces", func() ([]tenancy.Workspace, error) { return s.Store.MemberWorkspaces(ctx, userID) },
	)
}

// SetMember is tapped.
func (s Tap) SetMember(ctx context.Context, m tenancy.Member) error {
	return s.Hook("SetMember", func() error { return s.Store.SetMember(ctx, m) })
}

// Members is tapped.
func (s Tap) Members(ctx context.Context, workspaceID string) ([]tenancy.Member, error) {
	return get(s, "Members", func() ([]tenancy.Member, error) { return s.Store.Members(ctx, workspaceID) })
}

// RemoveMember is tapped.
func (s Tap) RemoveMember(ctx context.Context, workspaceID, userID string, at time.Time) error {
	return s.Hook("RemoveMember", func() error { return s.Store.RemoveMember(ctx, workspaceID, userID, at) })
}

// EnsureWorkspace is tapped.
func (s Tap) EnsureWorkspace(
	ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string,
) (ws tenancy.Workspace, created bool, err error) {
	err = s.Hook("EnsureWorkspace", func() (err error) {
		ws, created, err = s.Store.EnsureWorkspace(ctx, p, w, slugs)
		return err
	})
	return ws, created, err
}

// CreateWorkspaceAudited is tapped.
func (s Tap) CreateWorkspaceAudited(
	ctx context.Context, w tenancy.Workspace, ownerGiteaID int64, started tenancy.AuditEntry,
) error {
	return s.Hook("CreateWorkspaceAudited", func() error {
		return s.Store.CreateWorkspaceAudited(ctx, w, ownerGiteaID, started)
	})
}

// EnsureWorkspaceAudited is tapped.
func (s Tap) EnsureWorkspaceAudited(
	ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
) (ws tenancy.Workspace, created bool, err error) {
	err = s.Hook("EnsureWorkspaceAudited", func() (err error) {
		ws, created, err = s.Store.EnsureWorkspaceAudited(ctx, p, w, slugs, started)
		return err
	})
	return ws, created, err
}

// AnyWorkspace is tapped.
func (s Tap) AnyWorkspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	return get(s, "AnyWorkspace", func() (tenancy.Workspace, error) { return s.Store.AnyWorkspace(ctx, slug) })
}

// SetSuspended is tapped.
func (s Tap) SetSuspended(ctx context.Context, workspaceID string, since *time.Time, at time.Time) error {
	return s.Hook("SetSuspended", func() error { return s.Store.SetSuspended(ctx, workspaceID, since, at) })
}

// Provision is tapped.
func (s Tap) Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error) {
	return get(s, "Provision", func() (tenancy.Provision, error) { return s.Store.Provision(ctx, workspaceID) })
}

// RequestProvision is tapped.
func (s Tap) RequestProvision(ctx context.Context, workspaceID string) error {
	return s.Hook("RequestProvision", func() error { return s.Store.RequestProvision(ctx, workspaceID) })
}

// Lease is tapped.
func (s Tap) Lease(ctx context.Context, workspaceID, holder string, now, until time.Time) error {
	return s.Hook("Lease", func() error { return s.Store.Lease(ctx, workspaceID, holder, now, until) })
}

// Release is tapped.
func (s Tap) Release(ctx context.Context, workspaceID, holder string) error {
	return s.Hook("Release", func() error { return s.Store.Release(ctx, workspaceID, holder) })
}

// KeepNonce is tapped.
func (s Tap) KeepNonce(ctx context.Context, workspaceID, nonce string) (string, error) {
	return get(s, "KeepNonce", func() (string, error) { return s.Store.KeepNonce(ctx, workspaceID, nonce) })
}

// SetParts is tapped.
func (s Tap) SetParts(ctx context.Context, workspaceID string, was, is tenancy.Parts) error {
	return s.Hook("SetParts", func() error { return s.Store.SetParts(ctx, workspaceID, was, is) })
}

// FinishProvision is tapped.
func (s Tap) FinishProvision(
	ctx context.Context, workspaceID string, wanted int64, o tenancy.Outcome, at time.Time,
) (bool, error) {
	return get(
		s, "FinishProvision", func() (bool, error) { return s.Store.FinishProvision(ctx, workspaceID, wanted, o, at) },
	)
}

// Due is tapped.
func (s Tap) Due(ctx context.Context, now, reconciledBefore time.Time, limit int) ([]string, error) {
	return get(s, "Due", func() ([]string, error) { return s.Store.Due(ctx, now, reconciledBefore, limit) })
}

// ForgetTokens is tapped.
func (s Tap) ForgetTokens(ctx context.Context, workspaceID string, at time.Time) error {
	return s.Hook("ForgetTokens", func() error { return s.Store.ForgetTokens(ctx, workspaceID, at) })
}

// CreateProject is tapped.
func (s Tap) CreateProject(ctx context.Context, p tenancy.Project) error {
	return s.Hook("CreateProject", func() error { return s.Store.CreateProject(ctx, p) })
}

// Projects is tapped.
func (s Tap) Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error) {
	return get(s, "Projects", func() ([]tenancy.Project, error) { return s.Store.Projects(ctx, workspaceID) })
}

// DropProject is tapped.
func (s Tap) DropProject(ctx context.Context, workspaceID, projectID string) error {
	return s.Hook("DropProject", func() error { return s.Store.DropProject(ctx, workspaceID, projectID) })
}

// RecordRepository is tapped.
func (s Tap) RecordRepository(
	ctx context.Context, workspaceID, projectID string, repositoryID int64, name string,
) error {
	return s.Hook(
		"RecordRepository",
		func() error { return s.Store.RecordRepository(ctx, workspaceID, projectID, repositoryID, name) },
	)
}

// NoteDeliveries is tapped.
func (s Tap) NoteDeliveries(ctx context.Context, workspaceID string, d tenancy.Deliveries) error {
	return s.Hook("NoteDeliveries", func() error { return s.Store.NoteDeliveries(ctx, workspaceID, d) })
}

// RequestRename is tapped.
func (s Tap) RequestRename(ctx context.Context, workspaceID string, wanted bool) error {
	return s.Hook("RequestRename", func() error { return s.Store.RequestRename(ctx, workspaceID, wanted) })
}

// SetAccess is tapped.
func (s Tap) SetAccess(
	ctx context.Context, workspaceID string, a tenancy.RepositoryAccess, allowed bool, at time.Time,
) error {
	return s.Hook("SetAccess", func() error { return s.Store.SetAccess(ctx, workspaceID, a, allowed, at) })
}

// ForgetRepository is tapped.
func (s Tap) ForgetRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, nonce string) error {
	return s.Hook(
		"ForgetRepository",
		func() error { return s.Store.ForgetRepository(ctx, workspaceID, projectID, repositoryID, nonce) },
	)
}

// RepositoryAccess is tapped.
func (s Tap) RepositoryAccess(ctx context.Context, workspaceID string) ([]tenancy.RepositoryAccess, error) {
	return get(
		s, "RepositoryAccess",
		func() ([]tenancy.RepositoryAccess, error) { return s.Store.RepositoryAccess(ctx, workspaceID) },
	)
}

// RecordDeployKey is tapped.
func (s Tap) RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error {
	return s.Hook(
		"RecordDeployKey",
		func() error { return s.Store.RecordDeployKey(ctx, workspaceID, projectID, coolifyKey, publicKey) },
	)
}

// ForgetDeployKey is tapped.
func (s Tap) ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error {
	return s.Hook(
		"ForgetDeployKey", func() error { return s.Store.ForgetDeployKey(ctx, workspaceID, projectID, coolifyKey) },
	)
}

// NextPushLooks is tapped.
func (s Tap) NextPushLooks(ctx context.Context, now, before time.Time, limit int) ([]tenancy.Project, error) {
	return get(
		s, "NextPushLooks", func() ([]tenancy.Project, error) { return s.Store.NextPushLooks(ctx, now, before, limit) },
	)
}

// RequestPush is tapped.
func (s Tap) RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error {
	return s.Hook("RequestPush", func() error { return s.Store.RequestPush(ctx, workspaceID, repositoryID, digest) })
}

// CreateDatabase is tapped.
func (s Tap) CreateDatabase(ctx context.Context, d tenancy.DatabaseRecord) error {
	return s.Hook("CreateDatabase", func() error { return s.Store.CreateDatabase(ctx, d) })
}

// RecordDatabase is tapped.
func (s Tap) RecordDatabase(ctx context.Context, was tenancy.DatabaseRecord, uuid, urlSealed string) error {
	return s.Hook("RecordDatabase", func() error { return s.Store.RecordDatabase(ctx, was, uuid, urlSealed) })
}

// TakeOverDatabase is tapped.
func (s Tap) TakeOverDatabase(ctx context.Context, was tenancy.DatabaseRecord, at time.Time) error {
	return s.Hook("TakeOverDatabase", func() error { return s.Store.TakeOverDatabase(ctx, was, at) })
}

// MarkDatabaseDeleting is tapped.
func (s Tap) MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error {
	return s.Hook(
		"MarkDatabaseDeleting", func() error { return s.Store.MarkDatabaseDeleting(ctx, workspaceID, id, at) },
	)
}

// DropDatabase is tapped.
func (s Tap) DropDatabase(ctx context.Context, workspaceID, id string) error {
	return s.Hook("DropDatabase", func() error { return s.Store.DropDatabase(ctx, workspaceID, id) })
}

// SetPlan is tapped.
func (s Tap) SetPlan(ctx context.Context, workspaceID string, p tenancy.Plan, at time.Time) error {
	return s.Hook("SetPlan", func() error { return s.Store.SetPlan(ctx, workspaceID, p, at) })
}

// ClaimKey is tapped.
func (s Tap) ClaimKey(ctx context.Context, workspaceID, tool, key, digest string, at time.Time) error {
	return s.Hook("ClaimKey", func() error { return s.Store.ClaimKey(ctx, workspaceID, tool, key, digest, at) })
}

// FinishPush is tapped.
func (s Tap) FinishPush(ctx context.Context, workspaceID, projectID string, wanted int64) (bool, error) {
	return get(s, "FinishPush", func() (bool, error) { return s.Store.FinishPush(ctx, workspaceID, projectID, wanted) })
}

// AppRecords is tapped.
func (s Tap) AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error) {
	return get(s, "AppRecords", func() ([]tenancy.AppRecord, error) { return s.Store.AppRecords(ctx, workspaceID) })
}

// DatabaseRecords is tapped.
func (s Tap) DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error) {
	return get(
		s, "DatabaseRecords",
		func() ([]tenancy.DatabaseRecord, error) { return s.Store.DatabaseRecords(ctx, workspaceID) },
	)
}

// SealedValues is tapped.
func (s Tap) SealedValues(ctx context.Context) ([]tenancy.SealedValue, error) {
	return get(s, "SealedValues", func() ([]tenancy.SealedValue, error) { return s.Store.SealedValues(ctx) })
}

// Reseal is tapped.
func (s Tap) Reseal(ctx context.Context, was tenancy.SealedValue, sealed string) error {
	return s.Hook("Reseal", func() error { return s.Store.Reseal(ctx, was, sealed) })
}

// StartAudit is tapped.
func (s Tap) StartAudit(ctx context.Context, e tenancy.AuditEntry) error {
	return s.Hook("StartAudit", func() error { return s.Store.StartAudit(ctx, e) })
}

// FinishAudit is tapped.
func (s Tap) FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error {
	return s.Hook("FinishAudit", func() error { return s.Store.FinishAudit(ctx, workspaceID, id, f) })
}

// Audit is tapped.
func (s Tap) Audit(ctx context.Context, workspaceID string, q tenancy.AuditQuery) ([]tenancy.AuditEntry, error) {
	return get(s, "Audit", func() ([]tenancy.AuditEntry, error) { return s.Store.Audit(ctx, workspaceID, q) })
}

// User is tapped.
func (s Tap) User(ctx context.Context, id string) (tenancy.User, error) {
	return get(s, "User", func() (tenancy.User, error) { return s.Store.User(ctx, id) })
}

// UserByIdentity is tapped.
func (s Tap) UserByIdentity(ctx context.Context, issuer, subject string) (tenancy.User, error) {
	return get(
		s, "UserByIdentity", func() (tenancy.User, error) { return s.Store.UserByIdentity(ctx, issuer, subject) },
	)
}

// KeepUser is tapped.
func (s Tap) KeepUser(ctx context.Context, u tenancy.User) error {
	return s.Hook("KeepUser", func() error { return s.Store.KeepUser(ctx, u) })
}

// KeepGiteaUser is tapped.
func (s Tap) KeepGiteaUser(ctx context.Context, userID string, giteaUserID int64) error {
	return s.Hook("KeepGiteaUser", func() error { return s.Store.KeepGiteaUser(ctx, userID, giteaUserID) })
}

// SignOut is tapped.
func (s Tap) SignOut(ctx context.Context, userID string, at time.Time) error {
	return s.Hook("SignOut", func() error { return s.Store.SignOut(ctx, userID, at) })
}

// AddLoginLink is tapped.
func (s Tap) AddLoginLink(ctx context.Context, l tenancy.LoginLink, digest tenancy.Digest) error {
	return s.Hook("AddLoginLink", func() error { return s.Store.AddLoginLink(ctx, l, digest) })
}

// LoginLinks is tapped.
func (s Tap) LoginLinks(ctx context.Context, workspaceID string) ([]tenancy.LoginLink, error) {
	return get(s, "LoginLinks", func() ([]tenancy.LoginLink, error) { return s.Store.LoginLinks(ctx, workspaceID) })
}

// WithdrawLoginLink is tapped.
func (s Tap) WithdrawLoginLink(ctx context.Context, workspaceID, id string, at time.Time) error {
	return s.Hook("WithdrawLoginLink", func() error { return s.Store.WithdrawLoginLink(ctx, workspaceID, id, at) })
}

// UseLoginLink is tapped.
func (s Tap) UseLoginLink(ctx context.Context, l tenancy.LoginLink, by tenancy.Person, at time.Time) error {
	return s.Hook("UseLoginLink", func() error { return s.Store.UseLoginLink(ctx, l, by, at) })
}

// ChangeMember is tapped.
func (s Tap) ChangeMember(ctx context.Context, workspaceID, userID string, role tenancy.Role, at time.Time) error {
	return s.Hook("ChangeMember", func() error { return s.Store.ChangeMember(ctx, workspaceID, userID, role, at) })
}

// LoginLink is tapped.
func (s Tap) LoginLink(
	ctx context.Context, digest tenancy.Digest,
) (l tenancy.LoginLink, w tenancy.Workspace, err error) {
	err = s.Hook("LoginLink", func() (err error) {
		l, w, err = s.Store.LoginLink(ctx, digest)
		return err
	})
	return l, w, err
}
