package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/vibnai/vibn-mcp/db/migrations"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// rotationTool names the audit entry of a token that shownTokens had replaced.
const rotationTool = "platform.rotate"

// shownTokens is the migration that has the next run replace each workspace's own token
// that a person was shown, by the audit trail: since then, people have tokens of their
// own, which end with their rights. The sealed value stays until it is replaced, because
// the platform reads repositories with it.
func shownTokens() *goose.Migration {
	return goose.NewGoMigration(migrations.ShownTokens, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		ids, err := collect(ctx, tx, scanText, `update vibn_workspaces
			set gitea_bot_token_id = null, provision_wanted = provision_wanted + 1
			where deleted_at is null and gitea_bot_token_id is not null and exists (select 1 from vibn_audit a
				where a.workspace_id = vibn_workspaces.id and a.tool = 'gitea.credentials' and a.principal like 'member:%'
					and a.outcome in ('ok', 'started'))
			returning cast(id as text)`)
		if err != nil {
			return err
		}
		for _, id := range ids {
			e := tenancy.StartedEntry(tenancy.AuditEntry{
				WorkspaceID: id, Principal: tenancy.PlatformPrincipal, Tool: rotationTool, Target: "token",
			}, time.Now())
			if err := startAudit(ctx, tx, e); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `update vibn_audit set outcome = 'ok' where id = $1`, e.ID); err != nil {
				return err
			}
		}
		return nil
	}}, nil)
}

// rotated returns the slugs of the workspaces whose own token is replaced because a person
// was shown it before people had tokens of their own.
func (db *DB) rotated(ctx context.Context) ([]string, error) {
	slugs, err := list(ctx, db, scanText, `select distinct w.slug from vibn_workspaces w join vibn_audit a on a.workspace_id = w.id
		where a.tool = $1 and a.principal = $2 order by w.slug`, rotationTool, tenancy.PlatformPrincipal)
	if err != nil {
		return nil, fmt.Errorf("list the workspaces whose token is replaced: %w", err)
	}
	return slugs, nil
}
