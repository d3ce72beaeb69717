package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Membership implements [tenancy.Store]. A deleted workspace is not found.
func (db *DB) Membership(ctx context.Context, slug, userID string) (tenancy.Workspace, tenancy.Role, error) {
	var r workspaceRow
	var role tenancy.Role
	err := db.sql.QueryRowContext(ctx, `select `+workspaceColumns+`, coalesce(cast(m.role as text), '')
		from vibn_workspaces w join vibn_workspace_members m on m.workspace_id = w.id
		where w.slug = $1 and m.user_id = $2 and w.deleted_at is null`, slug, userID).Scan(append(r.dest(), &role)...)
	return r.workspace(), role, wrap(err, "membership of %q in workspace %q", userID, slug)
}

// MemberWorkspaces implements [people.Store].
func (db *DB) MemberWorkspaces(ctx context.Context, userID string) ([]tenancy.Workspace, error) {
	all, err := list(ctx, db, scanWorkspace, `select `+workspaceColumns+`
		from vibn_workspaces w join vibn_workspace_members m on m.workspace_id = w.id
		where m.user_id = $1 and w.deleted_at is null order by w.slug`, userID)
	return all, wrap(err, "workspaces of %q", userID)
}

// SetMember serves tests. A deleted workspace is not found. The
// e-mail and the name are not stored: they belong to the user.
func (db *DB) SetMember(ctx context.Context, m tenancy.Member) error {
	return db.changeRole(ctx, m.WorkspaceID, m.UserID, m.Role, m.CreatedAt, func(tx *sql.Tx) error {
		return setMember(ctx, tx, m)
	})
}

// setMember checks the workspace itself, as an adopted table may have no foreign key.
func setMember(ctx context.Context, on execer, m tenancy.Member) error {
	return change(ctx, on, `insert into vibn_workspace_members (id, workspace_id, user_id, role, gitea_user_id, created_at)
		select $1, w.id, $3, $4, $6, $5 from vibn_workspaces w where w.id = $2 and w.deleted_at is null
		on conflict (workspace_id, user_id) do update set role = excluded.role,
			gitea_user_id = coalesce(excluded.gitea_user_id, vibn_workspace_members.gitea_user_id)`,
		newID(), m.WorkspaceID, m.UserID, m.Role, micros(m.CreatedAt), nullInt(m.GiteaUserID))
}

// RemoveMember serves tests; the program calls [DB.ChangeMember].
func (db *DB) RemoveMember(ctx context.Context, workspaceID, userID string, at time.Time) error {
	return db.changeRole(ctx, workspaceID, userID, "", at, func(tx *sql.Tx) error {
		return removeMember(ctx, tx, workspaceID, userID)
	})
}

func removeMember(ctx context.Context, tx *sql.Tx, workspaceID, userID string) error {
	return change(ctx, tx, `delete from vibn_workspace_members where workspace_id = $1 and user_id = $2`,
		workspaceID, userID)
}

// Members implements [people.Store].
func (db *DB) Members(ctx context.Context, workspaceID string) ([]tenancy.Member, error) {
	members, err := db.members(ctx, workspaceID)
	return members, wrap(err, "members of workspace %q", workspaceID)
}

func (db *DB) members(ctx context.Context, workspaceID string) ([]tenancy.Member, error) {
	var platform bool
	if err := db.sql.QueryRowContext(ctx, db.dialect.hasPlatform).Scan(&platform); err != nil {
		return nil, err
	}
	if platform {
		return list(ctx, db, scanMember, platformMembers, workspaceID)
	}
	return list(ctx, db, scanMember, ourMembers, workspaceID)
}

func scanMember(from row) (tenancy.Member, error) {
	var m tenancy.Member
	var created sql.Null[time.Time]
	err := from.Scan(&m.WorkspaceID, &m.UserID, &m.GiteaUserID, &m.Role, &m.Email, &m.DisplayName, &created)
	m.CreatedAt = created.V
	return m, err
}

const (
	ourMembers = `select m.workspace_id, cast(m.user_id as text), coalesce(m.gitea_user_id, 0), coalesce(cast(m.role as text), ''),
		coalesce(u.email, ''), coalesce(u.display_name, ''), m.created_at
		from vibn_workspace_members m left join vibn_users u on u.id = cast(m.user_id as text)
		where m.workspace_id = $1 order by m.created_at, m.id`

	// fs_users.id may be text or uuid, regardless of user_id's type. Comparing as text is
	// always right, but reads the whole table. People ask for this list, requests do not.
	platformMembers = `select m.workspace_id, cast(m.user_id as text), coalesce(m.gitea_user_id, 0), coalesce(cast(m.role as text), ''),
		coalesce(nullif(u.email, ''), f.data->>'email', ''),
		coalesce(nullif(u.display_name, ''), f.data->>'displayName', f.data->>'name', ''), m.created_at
		from vibn_workspace_members m left join vibn_users u on u.id = cast(m.user_id as text)
		left join fs_users f on cast(f.id as text) = cast(m.user_id as text)
		where m.workspace_id = $1 order by m.created_at, m.id`
)
