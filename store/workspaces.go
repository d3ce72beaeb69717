package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// The casts and coalesces are for adopted tables: a platform's tables may have other
// types, and rows that lack a value.
const workspaceColumns = `w.id, w.slug, coalesce(w.name, ''), coalesce(cast(w.owner_user_id as text), ''),
	coalesce(w.coolify_project_uuid, ''), coalesce(w.gitea_org, ''), coalesce(w.gitea_org_id, 0), coalesce(w.gitea_bot_username, ''), w.placement_server, w.placement_destination, w.placement_trust,
	coalesce(w.plan_memory, ''), coalesce(w.plan_cpus, ''), coalesce(w.plan_apps, 0), coalesce(w.plan_databases, 0),
	coalesce(cast(w.provision_status as text), 'pending'), coalesce(w.provision_error, ''),
	w.suspended_at, w.deleted_at, w.created_at, w.updated_at`

// A workspaceRow receives workspaceColumns.
type workspaceRow struct {
	tenancy.Workspace
	created, updated sql.Null[time.Time]
}

func (r *workspaceRow) dest() []any {
	return []any{
		&r.ID, &r.Slug, &r.Name, &r.OwnerUserID, &r.CoolifyProject, &r.GiteaOrg, &r.GiteaOrgID, &r.GiteaBot,
		&r.Placement.Server, &r.Placement.Destination, &r.Placement.Trust,
		&r.Plan.Memory, &r.Plan.CPUs, &r.Plan.Apps, &r.Plan.Databases,
		&r.Status, &r.ProvisionError, &r.SuspendedAt, &r.DeletedAt, &r.created, &r.updated,
	}
}

func (r *workspaceRow) workspace() tenancy.Workspace {
	r.CreatedAt, r.UpdatedAt = r.created.V, r.updated.V
	return r.Workspace
}

func scanWorkspace(from row) (tenancy.Workspace, error) {
	var r workspaceRow
	err := from.Scan(r.dest()...)
	return r.workspace(), err
}

// CreateWorkspace serves tests; the program calls [DB.CreateWorkspaceAudited].
func (db *DB) CreateWorkspace(ctx context.Context, w tenancy.Workspace, ownerGiteaID int64) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		return db.createWorkspace(ctx, tx, w, ownerGiteaID)
	}), "create workspace %q", w.Slug)
}

// CreateWorkspaceAudited implements [people.OperatorStore].
func (db *DB) CreateWorkspaceAudited(
	ctx context.Context, w tenancy.Workspace, ownerGiteaID int64, started tenancy.AuditEntry,
) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := db.createWorkspace(ctx, tx, w, ownerGiteaID); err != nil {
			return err
		}
		return startAuditOf(ctx, tx, w, started)
	}), "create workspace %q", w.Slug)
}

func (db *DB) createWorkspace(ctx context.Context, tx *sql.Tx, w tenancy.Workspace, ownerGiteaID int64) error {
	if err := projectFree(ctx, tx, w.CoolifyProject, w.ID); err != nil {
		return err
	}
	if err := insertWorkspace(ctx, tx, w); errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.ErrConflict
	} else if err != nil {
		return err
	}
	if w.OwnerUserID != "" {
		err := setMember(ctx, tx, tenancy.Member{
			WorkspaceID: w.ID, UserID: w.OwnerUserID, GiteaUserID: ownerGiteaID, Role: tenancy.RoleOwner,
			CreatedAt: w.CreatedAt,
		})
		if err != nil {
			return err
		}
	}
	return db.want(ctx, tx, w.ID)
}

// insertWorkspace returns ErrNotFound for a slug that is taken.
func insertWorkspace(ctx context.Context, tx *sql.Tx, w tenancy.Workspace) error {
	return change(ctx, tx, `insert into vibn_workspaces (id, slug, name, owner_user_id, coolify_project_uuid,
		placement_server, placement_destination, placement_trust, provision_status, provision_error,
		suspended_at, deleted_at, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		on conflict (slug) do nothing`,
		w.ID, w.Slug, w.Name, null(w.OwnerUserID), null(w.CoolifyProject),
		w.Placement.Server, w.Placement.Destination, orShared(w.Placement.Trust),
		cmp.Or(w.Status, tenancy.Pending), null(w.ProvisionError),
		microsOrNil(w.SuspendedAt), microsOrNil(w.DeletedAt), micros(w.CreatedAt), micros(w.UpdatedAt))
}

// projectFree returns ErrProjectTaken if another workspace that is not deleted has the
// project. An index prevents the same between concurrent transactions.
func projectFree(ctx context.Context, tx *sql.Tx, project, workspaceID string) error {
	if project == "" {
		return nil
	}
	err := exists(ctx, tx, `select 1 from vibn_workspaces
		where coolify_project_uuid = $1 and coolify_project_uuid <> '' and deleted_at is null and id <> $2`, project, workspaceID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		return tenancy.ErrProjectTaken
	}
	return err
}

func orShared(t tenancy.Trust) tenancy.Trust { return cmp.Or(t, tenancy.Shared) }

// Workspace implements [push.Store].
func (db *DB) Workspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	w, err := scanWorkspace(db.sql.QueryRowContext(ctx,
		`select `+workspaceColumns+` from vibn_workspaces w where w.slug = $1 and w.deleted_at is null`, slug))
	return w, wrap(err, "workspace %q", slug)
}

// Workspaces implements [provision.Store].
func (db *DB) Workspaces(ctx context.Context) ([]tenancy.Workspace, error) {
	all, err := list(ctx, db, scanWorkspace,
		`select `+workspaceColumns+` from vibn_workspaces w where w.deleted_at is null order by w.slug`)
	return all, wrap(err, "list workspaces")
}

// SetPlacement implements [people.OperatorStore]. A deleted workspace is not found.
func (db *DB) SetPlacement(ctx context.Context, workspaceID string, p tenancy.Placement, at time.Time) error {
	return wrap(change(ctx, db.sql, `update vibn_workspaces
		set placement_server = $2, placement_destination = $3, placement_trust = $4, updated_at = $5
		where id = $1 and deleted_at is null`,
		workspaceID, p.Server, p.Destination, orShared(p.Trust), micros(at)), "placement of workspace %q", workspaceID)
}

// SetPlan implements [people.OperatorStore]. A deleted workspace is not found.
func (db *DB) SetPlan(ctx context.Context, workspaceID string, p tenancy.Plan, at time.Time) error {
	return wrap(change(ctx, db.sql, `update vibn_workspaces
		set plan_memory = $2, plan_cpus = $3, plan_apps = $4, plan_databases = $5, updated_at = $6
		where id = $1 and deleted_at is null`,
		workspaceID, null(p.Memory), null(p.CPUs), nullInt(int64(p.Apps)), nullInt(
			int64(p.Databases),
		), micros(at)), "plan of workspace %q", workspaceID)
}

// DeleteWorkspace implements [people.OperatorStore]. A deleted workspace is not found.
func (db *DB) DeleteWorkspace(ctx context.Context, workspaceID string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		// $2 is not used twice: an adopted updated_at may have another type.
		err := change(ctx, tx, `update vibn_workspaces set deleted_at = $2, updated_at = $3
			where id = $1 and deleted_at is null`, workspaceID, micros(at), micros(at))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `update vibn_api_keys set revoked_at = $2
			where workspace_id = $1 and revoked_at is null`, workspaceID, micros(at))
		if err != nil {
			return err
		}
		if err := forgetApps(ctx, tx, workspaceID); err != nil {
			return err
		}
		return db.want(ctx, tx, workspaceID)
	}), "delete workspace %q", workspaceID)
}

// lockWorkspace locks the row of a workspace until tx ends; ErrNotFound if the workspace
// is deleted. SQLite has no FOR UPDATE, so it uses a write that changes nothing, which
// locks on both databases.
func lockWorkspace(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	return change(ctx, tx, `update vibn_workspaces set name = name where id = $1 and deleted_at is null`, workspaceID)
}
