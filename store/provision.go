package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// EnsureWorkspace serves tests; the program calls [DB.EnsureWorkspaceAudited].
func (db *DB) EnsureWorkspace(
	ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string,
) (have tenancy.Workspace, created bool, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) (err error) {
		have, created, err = db.ensureWorkspace(ctx, tx, p, w, slugs)
		return err
	})
	if err != nil {
		return tenancy.Workspace{}, false, wrap(err, "workspace of %q", p.UserID)
	}
	return have, created, nil
}

// EnsureWorkspaceAudited implements [people.Store].
func (db *DB) EnsureWorkspaceAudited(
	ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
) (have tenancy.Workspace, created bool, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) (err error) {
		have, created, err = db.ensureWorkspace(ctx, tx, p, w, slugs)
		if err != nil || !created {
			return err
		}
		return startAuditOf(ctx, tx, have, started)
	})
	if err != nil {
		return tenancy.Workspace{}, false, wrap(err, "workspace of %q", p.UserID)
	}
	return have, created, nil
}

// ensureWorkspace locks the person's row first, so that calls for one person run one
// after the other.
func (db *DB) ensureWorkspace(
	ctx context.Context, tx *sql.Tx, p tenancy.Person, w tenancy.Workspace, slugs []string,
) (have tenancy.Workspace, created bool, err error) {
	if err := keepPerson(ctx, tx, p); err != nil {
		return have, false, err
	}
	if err := joinOwned(ctx, tx, p.UserID, w.CreatedAt); err != nil {
		return have, false, err
	}
	have, err = ownedBy(ctx, tx, p.UserID)
	if err == nil {
		return have, false, keepGiteaUser(ctx, tx, have.ID, p)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return have, false, err
	}
	if err := db.insertWithSlug(ctx, tx, w, p, slugs); err != nil {
		return have, false, err
	}
	have, err = ownedBy(ctx, tx, p.UserID) // as stored
	return have, true, err
}

// keepPerson stores a person's details and locks their row until tx ends.
func keepPerson(ctx context.Context, tx *sql.Tx, p tenancy.Person) error {
	return keepUser(ctx, tx, tenancy.User{ID: p.UserID, Email: p.Email, DisplayName: p.DisplayName})
}

// joinOwned makes a person a member of the workspaces that a platform's own rows list as
// theirs without a membership. It leaves out a workspace that has another owner: its row
// names its founder, even after an owner removed them. The ids may have different types
// in a platform's tables, so they are compared as text. That reads the whole table, but
// people sign up seldom.
func joinOwned(ctx context.Context, tx *sql.Tx, userID string, at time.Time) error {
	rows, err := tx.QueryContext(ctx, `select cast(w.id as text) from vibn_workspaces w
		where cast(w.owner_user_id as text) = cast($1 as text) and w.deleted_at is null and not exists
			(select 1 from vibn_workspace_members m where m.workspace_id = w.id
				and (m.role = 'owner' or cast(m.user_id as text) = cast($1 as text)))`, userID)
	if err != nil {
		return err
	}
	ids, err := scanAll(rows, scanText)
	if err != nil {
		return err
	}
	for _, id := range ids {
		m := tenancy.Member{WorkspaceID: id, UserID: userID, Role: tenancy.RoleOwner, CreatedAt: at}
		if err := setMember(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// ownedBy returns the oldest workspace that a person owns and that is not deleted.
func ownedBy(ctx context.Context, tx *sql.Tx, userID string) (tenancy.Workspace, error) {
	return scanWorkspace(tx.QueryRowContext(ctx, `select `+workspaceColumns+`
		from vibn_workspaces w join vibn_workspace_members m on m.workspace_id = w.id
		where m.user_id = $1 and m.role = 'owner' and w.deleted_at is null order by w.created_at, w.id limit 1`, userID))
}

func keepGiteaUser(ctx context.Context, tx *sql.Tx, workspaceID string, p tenancy.Person) error {
	if p.GiteaUserID == 0 {
		return nil
	}
	return change(ctx, tx, `update vibn_workspace_members set gitea_user_id = $3 where workspace_id = $1 and user_id = $2`,
		workspaceID, p.UserID, p.GiteaUserID)
}

// insertWithSlug tries the slugs in turn. The count of inserted rows shows that a slug is
// taken, as an error would end the transaction on PostgreSQL.
func (db *DB) insertWithSlug(
	ctx context.Context, tx *sql.Tx, w tenancy.Workspace, p tenancy.Person, slugs []string,
) error {
	w.OwnerUserID = p.UserID
	for _, slug := range slugs {
		w.Slug = slug
		switch err := insertWorkspace(ctx, tx, w); {
		case errors.Is(err, tenancy.ErrNotFound):
			continue
		case err != nil:
			return err
		}
		m := tenancy.Member{
			WorkspaceID: w.ID, UserID: p.UserID, GiteaUserID: p.GiteaUserID, Role: tenancy.RoleOwner,
			CreatedAt: w.CreatedAt,
		}
		if err := setMember(ctx, tx, m); err != nil {
			return err
		}
		return db.want(ctx, tx, w.ID)
	}
	return tenancy.ErrConflict
}

// AnyWorkspace implements [people.OperatorStore].
func (db *DB) AnyWorkspace(ctx context.Context, slug string) (tenancy.Workspace, error) {
	w, err := scanWorkspace(
		db.sql.QueryRowContext(ctx, `select `+workspaceColumns+` from vibn_workspaces w where w.slug = $1`, slug),
	)
	return w, wrap(err, "workspace %q", slug)
}

// SetSuspended implements [people.OperatorStore]. A suspended workspace keeps its first
// time. The tokens end here and not only in the job, as a suspension may be lifted before
// a job has run.
func (db *DB) SetSuspended(ctx context.Context, workspaceID string, since *time.Time, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		query := `update vibn_workspaces set suspended_at = null, updated_at = $2 where id = $1 and deleted_at is null`
		args := []any{workspaceID, micros(at)}
		if since != nil {
			query = `update vibn_workspaces set suspended_at = coalesce(suspended_at, $3), updated_at = $2 where id = $1 and deleted_at is null`
			args = append(args, micros(*since))
		}
		if err := change(ctx, tx, query, args...); err != nil {
			return err
		}
		if since != nil {
			if err := revokeTokens(ctx, tx, workspaceID, at); err != nil {
				return err
			}
		}
		return db.want(ctx, tx, workspaceID)
	}), "suspension of workspace %q", workspaceID)
}

// botID selects the id of the bot as a number: an adopted column may hold text.
const botID = `coalesce(cast(nullif(cast(gitea_bot_user_id as text), '') as bigint), 0)`

const provisionColumns = workspaceColumns + `, coalesce(w.gitea_team_id, 0), ` + botID + `,
	coalesce(w.gitea_bot_token_id, 0), coalesce(w.gitea_bot_token_encrypted, ''), coalesce(w.provision_nonce, ''),
	coalesce(w.coolify_destination_uuid, ''), coalesce(w.gitea_hook_id, 0), coalesce(w.gitea_hook_secret_encrypted, ''),
	w.provision_wanted, w.provision_done, w.gitea_renaming, w.hook_taken_at, w.hook_refused_at, w.hook_missed_at`

// Provision implements [tenancy.Store].
func (db *DB) Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error) {
	var r workspaceRow
	var p tenancy.Provision
	err := db.sql.QueryRowContext(
		ctx, `select `+provisionColumns+` from vibn_workspaces w where w.id = $1`, workspaceID,
	).Scan(
		append(
			r.dest(), &p.TeamID, &p.BotID, &p.TokenID, &p.TokenSealed, &p.Nonce, &p.Destination, &p.HookID,
			&p.HookSealed, &p.Wanted, &p.Done, &p.Renaming, &p.Deliveries.Taken, &p.Deliveries.Refused, &p.Deliveries.Missed,
		)...)
	if err != nil {
		return tenancy.Provision{}, wrap(err, "provision of workspace %q", workspaceID)
	}
	p.Workspace = r.workspace()
	p.Parts.CoolifyProject, p.Org, p.OrgID, p.Bot = p.Workspace.CoolifyProject, p.GiteaOrg, p.GiteaOrgID, p.GiteaBot
	p.People, err = list(ctx, db, scanInt, `select gitea_user_id from vibn_workspace_members
		where workspace_id = $1 and gitea_user_id is not null order by gitea_user_id`, workspaceID)
	return p, wrap(err, "people of workspace %q", workspaceID)
}

func scanInt(from row) (n int64, err error) {
	err = from.Scan(&n)
	return n, err
}

func scanText(from row) (s string, err error) {
	err = from.Scan(&s)
	return s, err
}

// RequestRename implements [people.OperatorStore].
func (db *DB) RequestRename(ctx context.Context, workspaceID string, wanted bool) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := change(
			ctx, tx, `update vibn_workspaces set gitea_renaming = $2 where id = $1 and deleted_at is null`, workspaceID, wanted,
		); err != nil {
			return err
		}
		return db.want(ctx, tx, workspaceID)
	}), "renaming of workspace %q", workspaceID)
}

// NoteDeliveries implements [push.Store]. A later time stays.
func (db *DB) NoteDeliveries(ctx context.Context, workspaceID string, d tenancy.Deliveries) error {
	for column, at := range map[string]*time.Time{
		"hook_taken_at": d.Taken, "hook_refused_at": d.Refused, "hook_missed_at": d.Missed,
	} {
		if at == nil {
			continue
		}
		err := change(ctx, db.sql, `update vibn_workspaces set `+column+` = $2
			where id = $1 and (`+column+` is null or `+column+` < $2)`, workspaceID, micros(*at))
		err = failedCondition(ctx, db.sql, err, thisWorkspace, workspaceID)
		if err != nil && !errors.Is(err, tenancy.ErrConflict) {
			return wrap(err, "deliveries to workspace %q", workspaceID)
		}
	}
	return nil
}

// SetAccess implements [people.OperatorStore].
func (db *DB) SetAccess(
	ctx context.Context, workspaceID string, a tenancy.RepositoryAccess, allowed bool, at time.Time,
) error {
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		if err := exists(ctx, tx, thisWorkspace, workspaceID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `delete from vibn_repository_access
			where workspace_id = $1 and gitea_repo_id = $2 and kind = $3 and ref = $4`,
			workspaceID, a.RepositoryID, a.Kind, a.Ref); err != nil {
			return err
		}
		if allowed {
			_, err := tx.ExecContext(ctx, `insert into vibn_repository_access (id, workspace_id, gitea_repo_id, kind, ref, created_at)
				values ($1, $2, $3, $4, $5, $6)`, uuid.Must(uuid.NewV7()).String(), workspaceID, a.RepositoryID, a.Kind, a.Ref, micros(at))
			if err != nil {
				return err
			}
		}
		return db.want(ctx, tx, workspaceID)
	})
	return wrap(err, "access to a repository of workspace %q", workspaceID)
}

// RequestProvision implements [people.Store].
func (db *DB) RequestProvision(ctx context.Context, workspaceID string) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error { return db.want(ctx, tx, workspaceID) }),
		"wish for workspace %q", workspaceID)
}

func (db *DB) want(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	err := change(
		ctx, tx, `update vibn_workspaces set provision_wanted = provision_wanted + 1 where id = $1`, workspaceID,
	)
	if err != nil {
		return err
	}
	return db.queue(ctx, tx, workspaceID)
}

// Lease implements [provision.Store].
func (db *DB) Lease(ctx context.Context, workspaceID, holder string, now, until time.Time) error {
	err := change(ctx, db.sql, `update vibn_workspaces set provision_holder = $2, provision_until = $3
		where id = $1 and (provision_holder in ('', $2) or provision_until is null or provision_until < $4)`,
		workspaceID, holder, micros(until), micros(now))
	err = failedCondition(ctx, db.sql, err, thisWorkspace, workspaceID)
	return wrap(err, "hold workspace %q", workspaceID)
}

const thisWorkspace = `select 1 from vibn_workspaces where id = $1`

// Release implements [provision.Store]. It does nothing if another run holds the workspace.
func (db *DB) Release(ctx context.Context, workspaceID, holder string) error {
	err := change(ctx, db.sql, `update vibn_workspaces set provision_holder = '', provision_until = null
		where id = $1 and provision_holder = $2`, workspaceID, holder)
	err = failedCondition(ctx, db.sql, err, thisWorkspace, workspaceID)
	if errors.Is(err, tenancy.ErrConflict) {
		return nil
	}
	return wrap(err, "let go of workspace %q", workspaceID)
}

// KeepNonce implements [provision.Store].
func (db *DB) KeepNonce(ctx context.Context, workspaceID, nonce string) (string, error) {
	var kept string
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `update vibn_workspaces set provision_nonce =
				case when coalesce(provision_nonce, '') = '' then $2 else provision_nonce end
			where id = $1 returning provision_nonce`, workspaceID, nonce).Scan(&kept)
	})
	return kept, wrap(err, "nonce of workspace %q", workspaceID)
}

// SetParts implements [provision.Store]. It returns ErrProjectTaken if another workspace
// that is not deleted has the project. It compares the sealed values too: otherwise a run
// that read one before it was resealed would write the old one back.
func (db *DB) SetParts(ctx context.Context, workspaceID string, was, is tenancy.Parts) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := exists(ctx, tx, thisWorkspace, workspaceID); err != nil {
			return err
		}
		if is.CoolifyProject != was.CoolifyProject {
			if err := projectFree(ctx, tx, is.CoolifyProject, workspaceID); err != nil {
				return err
			}
		}
		err := change(ctx, tx, `update vibn_workspaces set coolify_project_uuid = $2, gitea_org = $3, gitea_org_id = $4,
				gitea_team_id = $5, gitea_bot_username = $6, gitea_bot_user_id = $7, gitea_bot_token_id = $8, gitea_bot_token_encrypted = $9,
				coolify_destination_uuid = $18, gitea_hook_id = $19, gitea_hook_secret_encrypted = $20
			where id = $1 and coalesce(coolify_project_uuid, '') = $10 and coalesce(gitea_org, '') = $11 and coalesce(gitea_org_id, 0) = $12
				and coalesce(gitea_team_id, 0) = $13 and coalesce(gitea_bot_username, '') = $14 and `+botID+` = $15
				and coalesce(gitea_bot_token_id, 0) = $16 and coalesce(gitea_bot_token_encrypted, '') = $17
				and coalesce(coolify_destination_uuid, '') = $21 and coalesce(gitea_hook_id, 0) = $22 and coalesce(gitea_hook_secret_encrypted, '') = $23`,
			workspaceID, null(is.CoolifyProject), null(is.Org), nullInt(is.OrgID), nullInt(is.TeamID), null(is.Bot),
			nullDigits(is.BotID),
			nullInt(is.TokenID), null(is.TokenSealed),
			was.CoolifyProject, was.Org, was.OrgID, was.TeamID, was.Bot, was.BotID, was.TokenID, was.TokenSealed,
			null(is.Destination), nullInt(is.HookID), null(is.HookSealed), was.Destination, was.HookID, was.HookSealed)
		if errors.Is(err, tenancy.ErrNotFound) {
			return tenancy.ErrConflict
		}
		return err
	}), "parts of workspace %q", workspaceID)
}

// FinishProvision implements [provision.Store].
func (db *DB) FinishProvision(
	ctx context.Context, workspaceID string, wanted int64, o tenancy.Outcome, at time.Time,
) (more bool, err error) {
	var now int64
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `update vibn_workspaces set provision_status = $2, provision_error = $3,
				provision_done = case when $4 > provision_done then $4 else provision_done end,
				gitea_renaming = case when $5 then false else gitea_renaming end
			where id = $1 returning provision_wanted`, workspaceID, o.Status, null(o.Error), wanted, o.Renamed).Scan(&now)
		if err != nil || !o.Reconciled {
			return err
		}
		_, err = tx.ExecContext(
			ctx, `update vibn_workspaces set reconciled_at = $2 where id = $1`, workspaceID, micros(at),
		)
		return err
	})
	return now > wanted, wrap(err, "outcome for workspace %q", workspaceID)
}

// Due implements [provision.Store]. A deleted workspace is due while a request is not
// done, never because of time alone. The order is random, so that workspaces that stay
// due do not keep out the others. Each part of the query has an index of its own.
func (db *DB) Due(ctx context.Context, now, reconciledBefore time.Time, limit int) ([]string, error) {
	ids, err := list(ctx, db, scanText, `select id from (
			select cast(id as text) as id from vibn_workspaces where provision_done < provision_wanted
			union
			select cast(workspace_id as text) from vibn_bot_tokens where revoked_at is null and `+lostHolder+`
			union
			select cast(id as text) from vibn_workspaces
				where deleted_at is null and gitea_org_id is not null and reconciled_at is null
			union
			select cast(id as text) from vibn_workspaces
				where deleted_at is null and gitea_org_id is not null and reconciled_at < $2
			union
			select cast(workspace_id as text) from vibn_apps where deleting_at <= $1
			union
			select cast(workspace_id as text) from vibn_databases where deleting_at <= $1
		) due order by random() limit $3`, micros(now), micros(reconciledBefore), limit)
	return ids, wrap(err, "what is due")
}

// ForgetTokens implements [people.OperatorStore].
func (db *DB) ForgetTokens(ctx context.Context, workspaceID string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		err := change(ctx, tx, `update vibn_workspaces set gitea_bot_token_id = null, gitea_bot_token_encrypted = null,
				gitea_hook_id = null, gitea_hook_secret_encrypted = null
			where id = $1 and deleted_at is null`, workspaceID)
		if err != nil {
			return err
		}
		if err := revokeTokens(ctx, tx, workspaceID, at); err != nil {
			return err
		}
		return db.want(ctx, tx, workspaceID)
	}), "tokens of workspace %q", workspaceID)
}

// revokeTokens revokes the tokens of all keys and people.
func revokeTokens(ctx context.Context, tx *sql.Tx, workspaceID string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `update vibn_bot_tokens set revoked_at = $2, sealed = '' where workspace_id = $1 and revoked_at is null`,
		workspaceID, micros(at))
	return err
}

func nullInt(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: n != 0} }

// nullDigits returns n as text, which a numeric column accepts too; NULL for 0.
func nullDigits(n int64) sql.NullString {
	return sql.NullString{String: strconv.FormatInt(n, 10), Valid: n != 0}
}
