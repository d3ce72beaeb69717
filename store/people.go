package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const userColumns = `u.id, coalesce(u.issuer, ''), coalesce(u.subject, ''), u.email, u.display_name, coalesce(u.gitea_user_id, 0), u.signed_out_at`

func scanUser(from row) (tenancy.User, error) {
	var u tenancy.User
	err := from.Scan(&u.ID, &u.Issuer, &u.Subject, &u.Email, &u.DisplayName, &u.GiteaUserID, &u.SignedOutAt)
	return u, err
}

// User implements [people.Store].
func (db *DB) User(ctx context.Context, id string) (tenancy.User, error) {
	u, err := scanUser(db.sql.QueryRowContext(ctx, `select `+userColumns+` from vibn_users u where u.id = $1`, id))
	return u, wrap(err, "user %q", id)
}

// UserByIdentity implements [people.Store].
func (db *DB) UserByIdentity(ctx context.Context, issuer, subject string) (tenancy.User, error) {
	u, err := scanUser(
		db.sql.QueryRowContext(
			ctx, `select `+userColumns+` from vibn_users u where u.issuer = $1 and u.subject = $2`, issuer, subject,
		),
	)
	return u, wrap(err, "user by identity")
}

// KeepUser implements [people.Store].
func (db *DB) KeepUser(ctx context.Context, u tenancy.User) error {
	return wrap(keepUser(ctx, db.sql, u), "keep user %q", u.ID)
}

func keepUser(ctx context.Context, on execer, u tenancy.User) error {
	return change(ctx, on, `insert into vibn_users (id, issuer, subject, email, display_name, gitea_user_id) values ($1, $2, $3, $4, $5, $6)
		on conflict (id) do update set issuer = coalesce(excluded.issuer, vibn_users.issuer), subject = coalesce(excluded.subject, vibn_users.subject),
			email = case when excluded.email = '' then vibn_users.email else excluded.email end,
			display_name = case when excluded.display_name = '' then vibn_users.display_name else excluded.display_name end,
			gitea_user_id = coalesce(excluded.gitea_user_id, vibn_users.gitea_user_id)
		where vibn_users.issuer is null or excluded.issuer is null or (vibn_users.issuer = excluded.issuer and vibn_users.subject = excluded.subject)`,
		u.ID, null(u.Issuer), null(u.Subject), u.Email, u.DisplayName, nullInt(u.GiteaUserID))
}

// KeepGiteaUser implements [people.Store]. It locks each workspace's row before the
// member's, in the same order as all code that changes members.
func (db *DB) KeepGiteaUser(ctx context.Context, userID string, giteaUserID int64) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, scanText, `select cast(w.id as text) from vibn_workspaces w join vibn_workspace_members m on m.workspace_id = w.id
			where m.user_id = $1 and w.deleted_at is null and coalesce(m.gitea_user_id, 0) <> $2 order by 1`, userID, giteaUserID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := db.want(ctx, tx, id); err != nil {
				return err
			}
			err := change(ctx, tx, `update vibn_workspace_members set gitea_user_id = $3
				where workspace_id = $1 and user_id = $2`, id, userID, giteaUserID)
			if err != nil {
				return err
			}
		}
		return nil
	}), "Gitea account of %q", userID)
}

// SignOut implements [people.Store].
func (db *DB) SignOut(ctx context.Context, userID string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into vibn_users (id, signed_out_at) values ($1, $2)
			on conflict (id) do update set signed_out_at = excluded.signed_out_at`, userID, micros(at))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `update vibn_login_links set used_at = $2 where user_id = $1 and used_at is null`,
			userID, micros(at))
		if err != nil {
			return err
		}
		return db.endTokensOf(ctx, tx, "", userID, at)
	}), "sign out %q", userID)
}

// linkColumns includes the current roles, as they decide whether a link is open. An
// adopted user_id may be a uuid, which does not compare with text.
const linkColumns = `l.id, l.workspace_id, l.user_id, l.role, l.created_by, l.created_at, l.expires_at,
	l.used_at, l.used_by,
	coalesce((select cast(m.role as text) from vibn_workspace_members m
		where m.workspace_id = l.workspace_id and cast(m.user_id as text) = l.created_by), ''),
	coalesce((select cast(m.role as text) from vibn_workspace_members m
		where m.workspace_id = l.workspace_id and cast(m.user_id as text) = l.user_id), '')`

func linkDest(l *tenancy.LoginLink) []any {
	return []any{
		&l.ID, &l.WorkspaceID, &l.UserID, &l.Role, &l.CreatedBy, &l.CreatedAt, &l.ExpiresAt, &l.UsedAt, &l.UsedBy,
		&l.MakerRole, &l.UserRole,
	}
}

func scanLink(from row) (tenancy.LoginLink, error) {
	var l tenancy.LoginLink
	err := from.Scan(linkDest(&l)...)
	return l, err
}

// AddLoginLink implements [people.Store]. A deleted workspace is not found. It locks the
// workspace's row, as ChangeMember does: otherwise a link made while its creator is being
// removed would open again when they return.
func (db *DB) AddLoginLink(ctx context.Context, l tenancy.LoginLink, digest tenancy.Digest) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, l.WorkspaceID); err != nil {
			return err
		}
		if err := checkInvite(ctx, tx, l); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert into vibn_login_links
			(id, workspace_id, digest, user_id, role, created_by, created_at, expires_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			l.ID, l.WorkspaceID, hex.EncodeToString(digest[:]), l.UserID, l.Role, l.CreatedBy,
			micros(l.CreatedAt), micros(l.ExpiresAt))
		if err != nil {
			return err
		}
		return linkOpen(ctx, tx, l, l.CreatedAt)
	}), "link into workspace %q", l.WorkspaceID)
}

// checkInvite returns ErrFull for an invitation beyond what members may have open.
func checkInvite(ctx context.Context, tx *sql.Tx, l tenancy.LoginLink) error {
	if l.UserID != "" || l.CreatedBy == tenancy.OperatorPrincipal {
		return nil
	}
	return fewerThan(ctx, tx, people.MaxInvites, `select count(*) from vibn_login_links
		where workspace_id = $1 and user_id = '' and used_at is null and expires_at > $2`, l.WorkspaceID, micros(l.CreatedAt))
}

// linkOpen returns ErrNotFound for a link that may not be used at a time. The caller must
// hold the workspace's row, so that its members do not change until tx ends.
func linkOpen(ctx context.Context, tx *sql.Tx, l tenancy.LoginLink, at time.Time) error {
	now, err := scanLink(tx.QueryRowContext(ctx, `select `+linkColumns+` from vibn_login_links l
		where l.workspace_id = $1 and l.id = $2`, l.WorkspaceID, l.ID))
	if err == nil && !now.Open(at) {
		return tenancy.ErrNotFound
	}
	return err
}

// LoginLink implements [people.Store].
func (db *DB) LoginLink(ctx context.Context, digest tenancy.Digest) (tenancy.LoginLink, tenancy.Workspace, error) {
	var l tenancy.LoginLink
	var w workspaceRow
	err := db.sql.QueryRowContext(ctx, `select `+linkColumns+`, `+workspaceColumns+`
		from vibn_login_links l join vibn_workspaces w on w.id = l.workspace_id where l.digest = $1`, hex.EncodeToString(digest[:])).Scan(
		append(linkDest(&l), w.dest()...)...,
	)
	return l, w.workspace(), wrap(err, "login link")
}

// LoginLinks implements [people.Store].
func (db *DB) LoginLinks(ctx context.Context, workspaceID string) ([]tenancy.LoginLink, error) {
	links, err := list(
		ctx, db, scanLink,
		`select `+linkColumns+` from vibn_login_links l where l.workspace_id = $1 order by l.created_at desc, l.id desc`,
		workspaceID,
	)
	return links, wrap(err, "links into workspace %q", workspaceID)
}

// WithdrawLoginLink implements [people.Store].
func (db *DB) WithdrawLoginLink(ctx context.Context, workspaceID, id string, at time.Time) error {
	err := change(ctx, db.sql, withdrawLink, workspaceID, id, micros(at))
	return wrap(err, "link %q into workspace %q", id, workspaceID)
}

const withdrawLink = `update vibn_login_links set used_at = $3 where workspace_id = $1 and id = $2 and used_at is null`

// UseLoginLink implements [people.Store]. It locks the workspace's row, as ChangeMember
// does: otherwise a link could be used while its creator is being removed. One statement
// decides which of several concurrent calls is first.
func (db *DB) UseLoginLink(ctx context.Context, l tenancy.LoginLink, by tenancy.Person, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, l.WorkspaceID); err != nil {
			return err
		}
		if err := linkOpen(ctx, tx, l, at); err != nil {
			return err
		}
		err := change(ctx, tx, `update vibn_login_links set used_at = $3, used_by = $4
			where workspace_id = $1 and id = $2 and used_at is null`, l.WorkspaceID, l.ID, micros(at), by.UserID)
		if err != nil || l.UserID != "" {
			return err
		}
		if err := keepPerson(ctx, tx, by); err != nil {
			return err
		}
		err = exists(
			ctx, tx, `select 1 from vibn_workspace_members where workspace_id = $1 and user_id = $2`, l.WorkspaceID,
			by.UserID,
		)
		if err == nil {
			return tenancy.ErrConflict
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		err = setMember(
			ctx, tx,
			tenancy.Member{
				WorkspaceID: l.WorkspaceID, UserID: by.UserID, GiteaUserID: by.GiteaUserID, Role: l.Role, CreatedAt: at,
			},
		)
		if err != nil {
			return err
		}
		return db.want(ctx, tx, l.WorkspaceID)
	}), "use link %q", l.ID)
}

// ChangeMember implements [people.Store]. It locks the workspace's row: otherwise two
// owners who remove each other at once would leave none.
func (db *DB) ChangeMember(ctx context.Context, workspaceID, userID string, role tenancy.Role, at time.Time) error {
	return db.changeRole(ctx, workspaceID, userID, role, at, func(tx *sql.Tx) error {
		if err := setRole(ctx, tx, workspaceID, userID, role); err != nil {
			return err
		}
		err := exists(
			ctx, tx, `select 1 from vibn_workspace_members where workspace_id = $1 and role = 'owner' limit 1`,
			workspaceID,
		)
		if errors.Is(err, sql.ErrNoRows) {
			return tenancy.ErrConflict
		}
		return err
	})
}

// setRole changes a member's role; an empty one ends the membership.
func setRole(ctx context.Context, tx *sql.Tx, workspaceID, userID string, role tenancy.Role) error {
	if role == "" {
		return removeMember(ctx, tx, workspaceID, userID)
	}
	return change(ctx, tx, `update vibn_workspace_members set role = $3 where workspace_id = $1 and user_id = $2`,
		workspaceID, userID, role)
}

// changeRole runs write, which changes a person's role; an empty role means no
// membership. It then revokes what the person has that exceeds the new role, and requests
// a run on the workspace's parts. It locks the workspace's row meanwhile.
func (db *DB) changeRole(
	ctx context.Context, workspaceID, userID string, role tenancy.Role, at time.Time, write func(*sql.Tx) error,
) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, workspaceID); err != nil {
			return err
		}
		was, err := roleOf(ctx, tx, workspaceID, userID)
		if err != nil {
			return err
		}
		if err := write(tx); err != nil {
			return err
		}
		if was.Exceeds(role) {
			if err := db.endTokensOf(ctx, tx, workspaceID, userID, at); err != nil {
				return err
			}
		}
		if err := db.revokeBeyond(ctx, tx, workspaceID, userID, role.Rights(), at); err != nil {
			return err
		}
		if err := withdrawBeyond(ctx, tx, workspaceID, userID, at); err != nil {
			return err
		}
		return db.want(ctx, tx, workspaceID)
	}), "member %q of workspace %q", userID, workspaceID)
}

// roleOf returns a person's role in a workspace, empty if they are no member.
func roleOf(ctx context.Context, tx *sql.Tx, workspaceID, userID string) (role tenancy.Role, err error) {
	err = tx.QueryRowContext(ctx, `select coalesce(cast(role as text), '') from vibn_workspace_members
		where workspace_id = $1 and user_id = $2`, workspaceID, userID).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return role, err
}

// withdrawBeyond withdraws the links that a person made, or that sign them in, and that are
// no longer open. They
// stay withdrawn if the person gets a higher role later.
func withdrawBeyond(ctx context.Context, tx *sql.Tx, workspaceID, userID string, at time.Time) error {
	links, err := collect(ctx, tx, scanLink, `select `+linkColumns+` from vibn_login_links l
		where l.workspace_id = $1 and (l.created_by = $2 or l.user_id = $2) and l.used_at is null`, workspaceID, userID)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Open(at) {
			continue
		}
		_, err := tx.ExecContext(ctx, withdrawLink, workspaceID, l.ID, micros(at)) // it may be withdrawn already
		if err != nil {
			return err
		}
	}
	return nil
}

// revokeBeyond revokes the keys in force that a person minted and that exceed their
// rights, with all keys minted with these.
func (db *DB) revokeBeyond(
	ctx context.Context, tx *sql.Tx, workspaceID, userID string, rights tenancy.Rights, at time.Time,
) error {
	keys, err := collect(ctx, tx, scanKey, `select `+keyColumns+` from vibn_api_keys k
		where k.workspace_id = $1 and k.created_by = $3 and k.id in (`+keysInForce+`)`, workspaceID, micros(at), userID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if rights.Has(k.Rights) {
			continue
		}
		if err := db.revokeKey(ctx, tx, workspaceID, k.ID, at); err != nil {
			return err
		}
	}
	return nil
}
